"""Translations per second: the translate head against Hugging Face ``generate``, in one process, in turn.

    python benchmarks/translate_speed.py [--rounds 3] [--rows 1014] [--batch 32] [--pack 512] [--new 32] [--sort]

Both read the English side of Multi30k's validation set (UNISONO_DATA/mt/multi30k) through the same MiniLM and write
with a random decoder of 3 layers, width 384, 12 heads, feed-forward 1536 and 8000 pieces, fp32. Every text is forced to
``--new`` tokens, so these are speeds and no translations. Greedy and 4 beams. Source tokenisation is left out of both;
ours includes turning pieces into text. Hugging Face's EncoderDecoderModel runs batches of ``--batch`` in the order of
the file (``--sort``: of length), ours packs of ``--pack`` sentences in the order of length. Prints one JSON line:
sentences/s as [min, median, max] over the rounds, and the ratio of ours to Hugging Face within each round.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import AutoModel, AutoTokenizer, BertConfig, BertLMHeadModel, EncoderDecoderModel

from unisono.heads.translate import Translate
from unisono.packed import Packed
from unisono.trunk import Trunk
from unisono.trunk.locate import locate

WIDTH, LAYERS, HEADS, FEEDFORWARD, VOCABULARY = 384, 3, 12, 1536, 8000


def lines(path: Path, count: int | None = None) -> list[str]:
    with gzip.open(path, "rt", encoding="utf8") as file:
        return [line.rstrip("\n") for line in file][:count]


def hugging_face(ids: list[list[int]], tokenizer: object, batch: int, new: int) -> Callable[[int], None]:
    """A function of the number of beams that generates for every source."""
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=FEEDFORWARD, max_position_embeddings=128, is_decoder=True, add_cross_attention=True,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    encoder = AutoModel.from_pretrained(locate("minilm"), add_pooling_layer=False)
    model = EncoderDecoderModel(encoder=encoder, decoder=BertLMHeadModel(config)).eval()
    for each in (model.config, model.generation_config):
        each.decoder_start_token_id, each.bos_token_id, each.eos_token_id, each.pad_token_id = 1, 1, 2, 0
    batches = [tokenizer.pad({"input_ids": ids[i : i + batch]}, return_tensors="pt") for i in range(0, len(ids), batch)]

    def run(beams: int) -> None:
        for inputs in batches:
            out = model.generate(
                **inputs, num_beams=beams, do_sample=False, max_new_tokens=new, min_new_tokens=new,
                early_stopping=False, use_cache=True,
            )  # fmt: skip
            assert out.shape == (len(inputs["input_ids"]), new + 1)

    return run


def unisono(ids: list[list[int]], targets: list[str], pack: int, new: int) -> Callable[[int], None]:
    """The same for ours."""
    trunk, embedding = Trunk.pretrained("minilm")
    options = Translate.Options(layers=LAYERS, heads=HEADS, feedforward=FEEDFORWARD, vocabulary=VOCABULARY)
    head = Translate(trunk.width, options, Translate.fit(({"target": text} for text in targets), options))
    assert (trunk.width, len(head.pieces)) == (WIDTH, VOCABULARY)
    trunk.eval(), head.eval()
    ordered = sorted(ids, key=len)
    packs = [
        Packed.join([torch.tensor(sequence) for sequence in ordered[i : i + pack]]) for i in range(0, len(ids), pack)
    ]

    @torch.inference_mode()
    def run(beams: int) -> None:
        for sources in packs:
            states = trunk(sources.like(embedding(sources.values)))
            out = head.predict(states, {}, beams=beams, max_new=new, min_new=new)
            assert len(out) == sources.layout.count

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1014)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pack", type=int, default=512)
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--sort", action="store_true")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    folder = Path(os.environ["UNISONO_DATA"]) / "mt" / "multi30k"
    tokenizer = AutoTokenizer.from_pretrained(locate("minilm"))
    ids = tokenizer([text for text in lines(folder / "val.en.gz", args.rows) if text])["input_ids"]
    sides = {
        "hugging_face": hugging_face(sorted(ids, key=len) if args.sort else ids, tokenizer, args.batch, args.new),
        "unisono": unisono(ids, lines(folder / "train.de.gz"), args.pack, args.new),
    }
    rates: dict[str, list[float]] = {f"{side} {beams}": [] for beams in (1, 4) for side in sides}
    for round_ in range(args.rounds + 1):  # the first warms up
        for name in list(rates) if round_ % 2 else list(rates)[::-1]:
            side, beams = name.split()
            start = time.perf_counter()
            sides[side](int(beams))
            if round_:
                rates[name].append(len(ids) / (time.perf_counter() - start))

    def three(values: list[float], digits: int = 1) -> list[float]:
        return [round(f(values), digits) for f in (min, statistics.median, max)]

    ratios = {
        how: three([a / b for a, b in zip(rates[f"unisono {n}"], rates[f"hugging_face {n}"], strict=True)], 2)
        for how, n in (("greedy", 1), ("beam4", 4))
    }
    settings = {**vars(args), "rows": len(ids), "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({**settings, "sentences_per_s": {k: three(v) for k, v in rates.items()}, "ratio": ratios}))


if __name__ == "__main__":
    main()
