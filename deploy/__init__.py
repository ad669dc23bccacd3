"""What it takes to run Mendflow somewhere: manifests, images and a local control plane."""
