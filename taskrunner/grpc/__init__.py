"""The gRPC API: the services of proto/taskrunner/v1, on the same producer as the HTTP API."""
