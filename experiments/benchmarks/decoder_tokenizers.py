"""Trains tokenizers in the manner of decoders on local texts, for tokenizer_ids.py and tokenizing.py.

  python decoder_tokenizers.py BASE OUT FOLDER [FOLDER ...] [--only REGEX] [--megabytes 60]

BASE is a small model's folder that Retort reads, of which every tokenizer gets a copy: `retort tokenize OUT/NAME FILE`.
The texts are those of the FOLDERs, from .md, .txt, .json, .jsonl, .py, .swift, .c, .h, .html, copyright files and
gettext's .mo, in their own order, up to so many megabytes. The tokenizers: Qwen's words with NFC and `<|endoftext|>`
behind a text (Qwen3-Embedding), Llama 3's with `<|begin_of_text|>` before it by a template in a sequence, and
GPT-2's as ModernBERT and SmolLM have them. Needs tokenizers.
"""
import argparse
import gettext
import re
import shutil
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ENDINGS = {".md", ".txt", ".json", ".jsonl", ".py", ".swift", ".c", ".h", ".html"}
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
LLAMA = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")


def texts(folders, megabytes):
    left = megabytes * 1_000_000
    for file in (file for folder in folders for file in sorted(Path(folder).rglob("*")) if file.is_file()):
        if file.suffix == ".mo":
            try:
                with open(file, "rb") as opened:
                    found = [text for text in gettext.GNUTranslations(opened)._catalog.values() if isinstance(text, str)]
            except (UnicodeDecodeError, OSError):
                continue
        elif (file.suffix in ENDINGS or file.name == "copyright") and file.stat().st_size < 3_000_000:
            found = file.read_text(errors="ignore").splitlines(keepends=True)
        else:
            continue
        left -= sum(len(text.encode()) for text in found)
        yield from found
        if left < 0:
            return


def byte_level(split=None):
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), level]) if split else level


def template(single, pair, *special):
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=list(special))


def kinds():
    end, begin = "<|endoftext|>", "<|begin_of_text|>"
    chat = [end, "<|im_start|>", "<|im_end|>"]
    after = template(f"$A {end}", f"$A {end} $B {end}", (end, 0))
    before = template(f"{begin} $A", f"{begin} $A {begin} $B", (begin, 0))
    plain, levelled = processors.ByteLevel(trim_offsets=False), processors.ByteLevel()
    yield "qwen-30k", 30_000, normalizers.NFC(), byte_level(QWEN), processors.Sequence([plain, after]), chat, {}
    yield "qwen-150k", 150_000, normalizers.NFC(), byte_level(QWEN), plain, chat, {}
    yield "llama3-128k", 128_000, None, byte_level(LLAMA), processors.Sequence([levelled, before]), [begin, "<|eot_id|>"], {
        "ignore_merges": True}
    yield "gpt2-50k", 50_257, None, byte_level(), levelled, [end], {}
    yield "modernbert-50k", 50_280, normalizers.NFC(), byte_level(), template(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", ("[CLS]", 1), ("[SEP]", 2)), [end, "[CLS]", "[SEP]", "[MASK]"], {}
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])
    yield "smollm-49k", 49_152, None, digits, None, chat, {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--only", default="", help="the tokenizers in whose names it is found")
    parser.add_argument("--megabytes", type=float, default=60)
    options = parser.parse_args()
    for name, size, normalizer, words, processor, special, model in kinds():
        if not re.search(options.only, name):
            continue
        tokenizer = Tokenizer(models.BPE(**model))
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = words
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(texts(options.folders, options.megabytes), trainers.BpeTrainer(
            vocab_size=size, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        if processor:
            tokenizer.post_processor = processor
        tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False)])
        tokenizer.add_special_tokens([AddedToken("[PAD]"), AddedToken("<|mask|>", lstrip=True)])
        shutil.copytree(options.base, options.out / name, dirs_exist_ok=True)
        for file in ["tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "modules.json"]:
            (options.out / name / file).unlink(missing_ok=True)
        tokenizer.save(str(options.out / name / "tokenizer.json"))
        (options.out / name / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}\n')
        print(name, tokenizer.get_vocab_size(), flush=True)


main()
