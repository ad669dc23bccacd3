"""Trying policies before they go live: checked, tested, and replayed on recorded inputs."""
