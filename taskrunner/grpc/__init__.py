"""The gRPC face: the services of proto/taskrunner/v1 over the same producer as the HTTP API."""
