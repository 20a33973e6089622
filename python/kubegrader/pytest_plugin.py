"""Fixtures for pytest: a Kubernetes cluster in the tests' own process, or a real one."""
