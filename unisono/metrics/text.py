"""Scores of text: BLEU and chrF, by sacreBLEU, so that they compare with published numbers.

Papineni et al. 2002 (https://aclanthology.org/P02-1040), Popović 2015 (https://aclanthology.org/W15-3049), Post 2018
(https://aclanthology.org/W18-6319).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from unisono.metrics.gold import Prediction, Row, Scores, labelled


def score_text(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``text`` with the rows' ``target``: corpus ``bleu`` and ``chrf``, 0 to 100.

    Where targets are texts by language, a prediction names the ``language`` of its ``text``, or has ``texts`` by
    language. Then each language is scored by itself (``bleu/de``), and ``bleu`` and ``chrf`` are the means over
    languages. ``rows`` counts the texts compared; without any, there are no scores. BLEU splits words by sacreBLEU's
    rule 13a, Chinese (``zh``) by its own.
    """
    texts: dict[str | None, list[tuple[str, str]]] = defaultdict(list)  # language -> (said, gold)
    for prediction, gold in labelled(predictions, rows, "target"):
        if not isinstance(gold, Mapping):
            texts[None].append((prediction["text"], gold))
            continue
        # A target may be by language although there is only one: then a prediction need not say which.
        only = next(iter(gold)) if len(gold) == 1 else None
        said = prediction.get("texts") or {prediction.get("language", only): prediction["text"]}
        for language, text in said.items():
            if gold.get(language) is not None:
                texts[language].append((text, gold[language]))
    if not texts:
        return {}
    each = {language: _corpus([(s, [g]) for s, g in pairs], language) for language, pairs in texts.items()}
    scores: Scores = {m: sum(s[m] for s in each.values()) / len(each) for m in ("bleu", "chrf")}
    for language in sorted(n for n in each if n is not None):
        scores |= {f"{m}/{language}": value for m, value in each[language].items()}
    return {**scores, "rows": float(sum(map(len, texts.values())))}


def score_captions(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``text`` with the rows' ``caption``, a text or a list of references: corpus ``bleu`` and ``chrf``, 0 to
    100. Of several references, BLEU counts a word that any of them has, chrF goes by the nearest one.
    """
    pairs = [(p["text"], [g] if isinstance(g, str) else list(g)) for p, g in labelled(predictions, rows, "caption")]
    return {**_corpus(pairs, None), "rows": float(len(pairs))} if pairs else {}


def _corpus(pairs: Sequence[tuple[str, Sequence[str]]], language: str | None) -> Scores:
    from sacrebleu.metrics import BLEU, CHRF

    said = [s for s, _ in pairs]
    gold = list(zip_longest(*(references for _, references in pairs)))  # first references, second ones, …; some None
    words = "zh" if language is not None and language.split("-")[0].split("_")[0] == "zh" else "13a"
    return {
        "bleu": float(BLEU(tokenize=words).corpus_score(said, gold).score),
        "chrf": float(CHRF().corpus_score(said, gold).score),
    }
