"""Plug-ins in a child process: specs, the process, rendered stems."""
