"""What each hostile behaviour must lead to."""

from dataclasses import dataclass

from taskrunner.domain.outcome import OutcomeKind

OK = OutcomeKind.OK
TIMEOUT = OutcomeKind.TIMEOUT
PROTOCOL = OutcomeKind.PROTOCOL_ERROR
TOO_LARGE = OutcomeKind.TOO_LARGE
CONNECT = OutcomeKind.CONNECT_ERROR
DECODE = OutcomeKind.DECODE_ERROR
HTTP_ERROR = OutcomeKind.HTTP_ERROR


@dataclass(frozen=True)
class Case:
    """What a behaviour must lead to; `timeout` is the deadline that the task gets."""

    name: str
    kind: OutcomeKind
    retryable: bool = False
    timeout: float = 5.0
    tls: bool = False
    https: bool = False
    content: int = 0

    @property
    def id(self) -> str:
        return f"{self.name}-tls" if self.tls else self.name


CASES = [
    Case("t01_never_reads", TIMEOUT, True, 0.5),
    Case("t02_body_drip", TIMEOUT, True, 0.5),
    Case("t04_header_drip", TIMEOUT, True, 0.5),
    Case("t05_no_server_hello", TIMEOUT, True, 0.5, https=True),
    Case("t06_handshake_drip", TIMEOUT, True, 0.5, https=True),
    Case("t07_tls_body_drip", TIMEOUT, True, 1.0, tls=True),
    Case("t08_never_reads_the_body", TIMEOUT, True, 0.5, content=20_000_000),
    Case("t11_endless_100", PROTOCOL, True, 0.5),
    Case("t11_flood_of_100", PROTOCOL, True, 1.0),
    Case("t12_tiny_chunks", TIMEOUT, True, 0.5),
    Case("t13_no_length_kept_open", TIMEOUT, True, 0.5),
    Case("t14_stands_still", TIMEOUT, True, 0.5),
    Case("b01_announced_too_large", TOO_LARGE),
    Case("b02_endless", TOO_LARGE),
    Case("b03_gzip_bomb", TOO_LARGE),
    Case("b03_deflate_bomb", TOO_LARGE),
    Case("b03_brotli_bomb", TOO_LARGE),
    Case("b03_zstd_bomb", TOO_LARGE),
    Case("b04_endless_gzip", TOO_LARGE),
    Case("b06_redirect_with_a_large_body", OK),
    Case("b07_redirect_with_a_bomb", OK),
    Case("b09_large_headers", TOO_LARGE),
    Case("b10_many_headers", PROTOCOL),
    Case("b10_endless_headers", PROTOCOL),
    Case("b11_long_header_line", PROTOCOL),
    Case("b12_chunk_extension", PROTOCOL),
    Case("b12_chunk_extension", PROTOCOL, tls=True),
    Case("b12_endless_extension", TIMEOUT, True, 0.5),
    Case("b12_cut_extension", PROTOCOL, True),
    Case("b12_cut_last_extension", PROTOCOL, True),
    Case("b13_many_trailers", PROTOCOL),
    Case("b13_large_trailer", PROTOCOL),
    Case("b14_long_status_line", PROTOCOL),
    Case("b15_binary_body", OK),
    Case("f01_short_body", PROTOCOL, True),
    Case("f02_long_body", OK),
    Case("f03_two_lengths", PROTOCOL),
    Case("f05_length_and_chunked", OK),
    Case("f06_bad_chunk_size", PROTOCOL, True),
    Case("f11_http_09", PROTOCOL),
    Case("f12_http_09_status", PROTOCOL),
    Case("f13_http_2_on_1", PROTOCOL),
    Case("f14_status_999", HTTP_ERROR),
    Case("f16_ssh_banner", PROTOCOL),
    Case("f16_smtp_banner", PROTOCOL),
    Case("f16_redis_banner", PROTOCOL),
    Case("f17_empty", CONNECT, True),
    Case("f18_reset_before_reply", CONNECT, True),
    Case("f18_reset_in_body", CONNECT, True),
    Case("e02_gzip_cut", DECODE, True),
    Case("e02_brotli_cut", DECODE, True),
    Case("e02_zstd_cut", DECODE, True),
    Case("e03_gzip_garbage", DECODE, True),
    Case("e04_no_close_notify", OK, tls=True),
    Case("e05_members_and_garbage", OK),
    Case("e06_unknown_charset", OK),
    Case("e07_unknown_coding", OK),
]
