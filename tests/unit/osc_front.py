"""OSC's commands on a store, without a socket and without a worker."""

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.announce import Announcer
from sds_bridge.daemon.commands import Commands
from sds_bridge.daemon.monitor import Monitor
from sds_bridge.daemon.osc import decode, encode
from sds_bridge.daemon.store import Store

ME = ("127.0.0.1", 50_000)


class Front:
    """Commands on a store, with what was sent kept."""

    def __init__(self, folder, reply_port=None, admission=None):
        self.folder = folder
        self.sent: list[tuple] = []
        self.store = Store(folder / "jobs.sqlite")
        self.time = 0.0
        send = lambda to, *message: self.sent.append((to, decode(encode(*message))[0]))  # noqa: E731
        monitor = Monitor(send, lambda: self.time)
        self.commands = Commands(
            self.store, Access([folder]), folder, 9000, reply_port, send, admission=admission, monitor=monitor
        )
        self.announcer = Announcer(self.store, folder, monitor.send, lambda: self.time)

    def ask(self, address, *values, sender=ME):
        self.sent.clear()
        return self.ask_more(address, *values, sender=sender)

    def ask_more(self, address, *values, sender=ME):
        self.commands.handle(encode(address, *values), sender)
        return list(self.sent)

    def one(self, address, *values):
        ((to, message),) = self.ask(address, *values)
        assert to == ME
        return message

    def tick(self):
        self.sent.clear()
        self.announcer.tick()
        return [message for _, message in self.sent]
