"""What a policy gets to see: pure functions from raw Kubernetes objects to its input."""
