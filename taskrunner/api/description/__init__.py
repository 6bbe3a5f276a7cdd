"""The description of the API: the OpenAPI document and what stands in it."""
