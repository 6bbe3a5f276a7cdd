"""The view of the settings in force."""

from collections.abc import Sequence

from taskrunner.api.views.view import View
from taskrunner.domain.setting import SettingInForce


class SettingsView(View):
    """The settings in force in one process, in the order of the file."""

    process: str
    settings: Sequence[SettingInForce]
