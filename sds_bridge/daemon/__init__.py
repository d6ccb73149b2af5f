"""The daemon: jobs over OSC, kept in SQLite, run by one worker process. Only the worker imports torch."""
