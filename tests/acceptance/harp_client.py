"""HARP's requests, byte for byte as its client makes them, and its reading of the answers.

After TEAMuP-dev/HARP, src/clients/GradioClient.h and src/Model.h: a JSON POST, an ``event_id``, a GET that is read line
by line until ``event: complete`` or ``event: error``, whose very next line is the answer; uploads as JUCE writes a form.
"""

from __future__ import annotations

import json
import uuid
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit


class HarpError(Exception):
    """What HARP would show: a status, or an error event's text."""


class Harp:
    """``address`` is what a user types, as ``http://localhost:9080/harp/separate``."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._at, self._path = parts.netloc, parts.path.rstrip("/")

    def controls(self) -> dict:
        data = self._call("controls", b'{"data": []}')
        assert isinstance(data[0], dict)
        for key in ("card", "inputs", "outputs"):
            assert key in data[0]
        return data[0]

    def upload(self, file: Path) -> str:
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n'
            "Content-Type: audio/midi\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        )
        body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "*/*"}
        status, text = self._request("POST", f"{self._path}/gradio_api/upload", body, headers)
        self._check(status, text)
        return json.loads(text)[0]

    def begin(self, values: list) -> str:
        payload = json.dumps({"data": values}).encode()
        return self._begin("process", payload)

    def process(self, values: list) -> list[bytes]:
        """The contents of the output files."""
        found = []
        for output in self.finish("process", self.begin(values)):
            # anything else makes HARP fail
            assert isinstance(output, dict) and output["meta"]["_type"] == "gradio.FileData"
            parts = urlsplit(output["url"])
            assert parts.netloc == self._at
            found.append(self._request("GET", parts.path, None, {})[1])
        return found

    def cancel(self) -> None:
        self._call("cancel", b'{"data": []}')

    def _call(self, name: str, body: bytes) -> list:
        return self.finish(name, self._begin(name, body))

    def _begin(self, name: str, body: bytes) -> str:
        headers = {"Content-Type": "application/json", "Accept": "*/*"}
        status, text = self._request("POST", f"{self._path}/gradio_api/call/{name}", body, headers)
        self._check(status, text)
        return json.loads(text)["event_id"]

    def finish(self, name: str, event: str) -> list:
        connection = HTTPConnection(self._at, timeout=120)
        try:
            connection.request("GET", f"{self._path}/gradio_api/call/{name}/{event}", headers={"Accept": "*/*"})
            stream = connection.getresponse()
            if stream.status != 200:
                raise HarpError(stream.read().decode())
            self.log: list[str] = []
            while line := stream.readline():
                text = line.decode().strip()
                if text.lower() == "event: complete":
                    return json.loads(stream.readline().decode().strip().removeprefix("data:").strip())
                if text.lower() == "event: error":
                    raise HarpError(json.loads(stream.readline().decode().strip().removeprefix("data:"))["error"])
                if text.startswith("data:"):
                    self.log.append(text)
            raise HarpError("the stream ended without an answer")
        finally:
            connection.close()

    def _request(self, method: str, path: str, body: bytes | None, headers: dict) -> tuple[int, bytes]:
        connection = HTTPConnection(self._at, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @staticmethod
    def _check(status: int, text: bytes) -> None:
        if status != 200:
            raise HarpError(json.loads(text)["error"])
