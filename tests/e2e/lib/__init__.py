"""What the end-to-end tests stand on. Tests import `harness`, which gathers these modules."""
