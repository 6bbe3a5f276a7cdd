"""The outcome that each hostile behaviour must lead to."""

from dataclasses import dataclass

from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.tools import behaviours, http2_behaviours
from tests.tools.hostile import Behaviour

OK = OutcomeKind.OK
TIMEOUT = OutcomeKind.TIMEOUT
PROTOCOL = OutcomeKind.PROTOCOL_ERROR
TOO_LARGE = OutcomeKind.TOO_LARGE
CONNECT = OutcomeKind.CONNECT_ERROR
HTTP_ERROR = OutcomeKind.HTTP_ERROR


@dataclass(frozen=True)
class Case:
    """The outcome that a behaviour must lead to.

    `timeout` is the task's deadline: short where it must be reached, else beyond reach on a busy machine.
    """

    name: str
    kind: OutcomeKind
    retryable: bool = False
    timeout: float = 30.0
    tls: bool = False
    https: bool = False
    content: int = 0

    @property
    def http2(self) -> bool:
        return self.name.startswith("h2_")

    @property
    def behaviour(self) -> Behaviour:
        behaviour: Behaviour = getattr(http2_behaviours if self.http2 else behaviours, self.name)
        return behaviour

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
    Case("t11_endless_100", PROTOCOL, True),
    Case("t11_flood_of_100", PROTOCOL, True),
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
    Case("b09_large_headers", OK),
    Case("b10_many_headers", OK),
    Case("b10_endless_headers", OK),
    Case("b11_long_header_line", OK),
    Case("b12_chunk_extension", PROTOCOL),
    Case("b12_chunk_extension", PROTOCOL, tls=True),
    Case("b12_endless_extension", TIMEOUT, True, 0.5),
    Case("b12_cut_extension", PROTOCOL, True),
    Case("b12_cut_last_extension", PROTOCOL, True),
    Case("b13_many_trailers", OK),
    Case("b13_large_trailer", OK),
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
    Case("e02_gzip_cut", OK),
    Case("e02_brotli_cut", OK),
    Case("e02_zstd_cut", OK),
    Case("e03_gzip_garbage", OK),
    Case("e04_no_close_notify", OK, tls=True),
    Case("e05_members_and_garbage", OK),
    Case("e06_unknown_charset", OK),
    Case("e07_unknown_coding", OK),
    Case("h2_no_settings", TIMEOUT, True, 0.5),
    Case("h2_never_answers", TIMEOUT, True, 0.5),
    Case("h2_body_drip", TIMEOUT, True, 0.5),
    Case("h2_stands_still", TIMEOUT, True, 0.5),
    Case("h2_no_window", TIMEOUT, True, 0.5, content=100_000),
    Case("h2_flood_of_pings", PROTOCOL, True),
    Case("h2_flood_of_settings", PROTOCOL, True),
    Case("h2_flood_of_empty_frames", PROTOCOL, True),
    Case("h2_flood_of_100", PROTOCOL, True),
    Case("h2_endless", TOO_LARGE),
    Case("h2_gzip_bomb", TOO_LARGE),
    Case("h2_many_headers", OK),
    Case("h2_large_headers", OK),
    Case("h2_header_bomb", PROTOCOL, True),
    Case("h2_endless_continuation", PROTOCOL, True),
    Case("h2_reset", PROTOCOL, True),
    Case("h2_reset_in_body", PROTOCOL, True),
    Case("h2_refuses_streams", CONNECT, True),
    Case("h2_wants_http_1", PROTOCOL),
    Case("h2_goes_away", CONNECT, True),
    Case("h2_goes_away_in_body", CONNECT, True),
    Case("h2_closes", CONNECT, True),
    Case("h2_closes_in_body", CONNECT, True, content=200_000),
    Case("h2_short_body", PROTOCOL, True),
    Case("h2_long_body", PROTOCOL, True),
    Case("h2_no_head", PROTOCOL, True),
    Case("h2_no_status", PROTOCOL),
    Case("h2_upper_case", PROTOCOL, True),
    Case("h2_line_break_in_value", OK),
    Case("h2_garbage", PROTOCOL, True),
    Case("h2_bad_hpack", PROTOCOL, True),
    Case("h2_huge_frame", PROTOCOL, True),
    Case("h2_push", PROTOCOL, True),
    Case("h2_http_1", TIMEOUT, True, 0.5),
    Case("h2_early_answer", HTTP_ERROR, content=1_000_000),
]
