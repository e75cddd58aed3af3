"""Names that try to be something else: markup, scripts, formulas, commands to a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from prunus.store import SessionRow
from report.made_study import Made, made_study, with_text

PAYLOADS = {
    "script": "<script>window.pwned=1</script>",
    "attribute": "\"'><img src=x onerror=\"window.pwned=1\" style='color:red'>",
    "svg title": "</title></desc></svg><svg onload=window.pwned=1>",
    "style": "</style><style>*{display:none}</style>",
    "comment": "--><!-- ]]> <![CDATA[ &amp; &#x3c; {{ 7*7 }} {% raw %}",
    "formula": '=HYPERLINK("http://evil.example")',
    "terminal": "\x1b[31m\x1b]0;owned\x07\r\n\u202e\u200bgnp.exe",
    "mathtext": "$\\frac{1}{$ \\$ $x^2_",
    "code": "``` `<b>` ```",
    "long": "x" * 20_000,
    "glyphs": "刈り込み 🌸 عربي \ufffd",
    "path": "../../../../tmp/pwned\x7f/.",
}
OPEN = Made(
    overrides=('recipes=["reference-structured","structured"]', "rates=[0,0.8]", "seeds=[0,1]", "training.epochs=2"),
    failed=(2,),
    running=(4,),
)


def hostile(folder: Path, payload: str) -> Path:
    """A study in which every name, message and fact is the payload."""

    def change(row: Any) -> Any:
        if isinstance(row, SessionRow):
            facts = json.dumps(
                {f"{payload}{number}": payload for number in range(3)} | {"nested": {payload: [payload]}}
            )
            return replace(with_text(row, payload), machine=facts, versions=facts)
        return with_text(row, payload)

    return made_study(folder, OPEN, change)
