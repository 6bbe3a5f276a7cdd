"""Views: what clients and the command line are shown, one value per resource.

Each is made from a domain value by `of`, encoded by `domain.codec` and described by the OpenAPI document.
"""
