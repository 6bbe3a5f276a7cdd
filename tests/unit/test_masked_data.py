"""The data of a task as it is shown."""

import pytest

from taskrunner.domain.tasks.masked_data import masked_data

AS_THEY_ARE = (
    '{"width" : 1e2, "big": 12345678901234567890123, "a":"\\ud800"}',
    '"token"',
    '["token", "secret"]',
    '{"text": "\\"token\\": 1", "more": "token"}',
    '{"token": null, "secret": true, "password":false}',
    "5",
    "[]",
)
WITH_SECRETS = (
    ('{"api_key": "s3cret", "n":1}', '{"api_key": "***", "n":1}'),
    ('{"PASSWORD" : 12.5e3}', '{"PASSWORD" : "***"}'),
    ('{"a":[{"Token":["s3cret",{"b":"s3cret"}]},2]}', '{"a":[{"Token":"***"},2]}'),
    (
        '{"secret":{},"credentials":{"user":"s3cret"} , "x":"]"}',
        '{"secret":"***","credentials":"***" , "x":"]"}',
    ),
    ('{"\\u0074oken":"s3\\"cret"}', '{"\\u0074oken":"***"}'),
    ('{"a":"x", ":token":"s3cret"}', '{"a":"x", ":token":"***"}'),
    ('{"secret":{"token":"}s3cret"},"b":{"pwd":-1}}', '{"secret":"***","b":{"pwd":"***"}}'),
    ('{"token":null,"x":"y","session":"s3cret"}', '{"token":null,"x":"y","session":"***"}'),
)


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_what_is_no_secret_keeps_its_spelling(text: str) -> None:
    assert masked_data(text) == text


@pytest.mark.parametrize(("text", "shown"), WITH_SECRETS)
def test_a_member_whose_name_suggests_a_secret_is_masked(text: str, shown: str) -> None:
    """At any depth, with all that is in it."""
    assert masked_data(text) == shown
