"""Lessons as plain HTML pages: without a session, without a WebSocket, as files."""
