"""Run every benchmark and print one table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from sds_bridge.cli.console import prepare_torch


def main() -> None:
    prepare_torch()
    from sds_bridge.benchmarks import dx7_voice, sds_step

    table = Table("what", "value")
    for name, value in [*sds_step.measure(), *dx7_voice.measure()]:
        table.add_row(name, value)
    Console().print(table)


if __name__ == "__main__":
    main()
