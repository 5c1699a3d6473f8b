"""Schemathesis, as a program for `languages::command`."""

from schemathesis.cli import schemathesis

schemathesis()
