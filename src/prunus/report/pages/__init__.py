"""The pages of the report, in order. A package of a third party adds one by an entry point in `prunus.report_page`."""

from prunus.registry import Registry
from prunus.report.pages.accuracy import AccuracyPage
from prunus.report.pages.bops import BopsPage
from prunus.report.pages.diagnoses import DiagnosesPage
from prunus.report.pages.discussion import DiscussionPage
from prunus.report.pages.losses import LossesPage
from prunus.report.pages.page import Page
from prunus.report.pages.payoff import PayoffPage
from prunus.report.pages.provenance import ProvenancePage
from prunus.report.pages.summary import SummaryPage

PAGES: Registry[type[Page]] = Registry("report page")
PAGES.register("summary", SummaryPage)
PAGES.register("accuracy", AccuracyPage)
PAGES.register("accuracy-lost", LossesPage)
PAGES.register("bops", BopsPage)
PAGES.register("payoff", PayoffPage)
PAGES.register("discussion", DiscussionPage)
PAGES.register("diagnoses", DiagnosesPage)
PAGES.register("provenance", ProvenancePage)

__all__ = ["PAGES", "Page"]
