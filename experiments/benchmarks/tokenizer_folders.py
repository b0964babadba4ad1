"""Folders of tokenizers, Retort beside transformers' AutoTokenizer: every setting that may change ids, the same ids or a refusal.

  python tokenizer_folders.py BASE [--retort retort] [--show 3] [--only REGEX]

BASE is any small model's folder that Retort reads (config.json and weights; Tests/Fixtures/pytorch/base): each case is a
copy of it with another tokenizer. Tiny vocabularies of each kind are trained on the spot; each class meets each
setting, in tokenizer_config.json, in special_tokens_map.json, and against tokenizer.json, and the vocabulary files alone.
A case is `same`, `refused` by Retort (with its message), `other` (which fails), or `peer refuses`. Needs tokenizers,
transformers, sentencepiece.
"""
import argparse
import collections
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, logging

logging.set_verbosity_error()
TEXTS = ["The quick brown fox", " the Fox  jumped; it's 2024!", "Éclair déjà ﬁne Ⅷ", "漢字 and 한국어", "a<mask>b [MASK] c <s> d", "xnew_tok y <extra> z",
         "", "  ", "tab\tnew\nline  two", "[CLS] hi</s>", "ＡＢＣ ｶﾞ x́", "word<|endoftext|> end", "🙂 z\u200d ok", "▁x ▁▁ y"]
CORPUS = TEXTS + ["the quick brown fox jumps over the lazy dog and runs away", "a e i o u 0 1 2 3 4 5 6 7 8 9 it's we've"] * 4


def wordpiece(special):
    tokenizer = Tokenizer(models.WordPiece(unk_token=special[1]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=180, special_tokens=special, show_progress=False))
    return tokenizer


def byte_level(special, prefix=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=340, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def spaced_bpe(special):
    tokenizer = Tokenizer(models.BPE(fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=460, special_tokens=special + [f"<0x{i:02X}>" for i in range(256)], show_progress=False))
    return tokenizer


def sentencepiece(**options):
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text in CORPUS if text.strip()]), model_writer=model, model_type="unigram", vocab_size=400,
        hard_vocab_limit=False, minloglevel=2, **options)
    return model.getvalue()


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def written(tokenizer, **changes):
    return json.loads(tokenizer.to_str()) | changes


def around(tokenizer, start, end):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair=f"{start} $A {end} $B {end}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in {start, end}])
    return tokenizer


def unigram_files():
    """tokenizer.json as XLMRobertaTokenizer writes it from a sentencepiece model."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sentencepiece.bpe.model").write_bytes(sentencepiece())
        Path(folder, "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}')
        Path(folder, "config.json").write_text('{"model_type": "xlm-roberta"}')
        return json.loads(AutoTokenizer.from_pretrained(folder).backend_tokenizer.to_str())


def base_files():
    """By class: files, and what else it may be called."""
    bert = around(wordpiece(BERT), "[CLS]", "[SEP]")
    mpnet = around(wordpiece(["<pad>", "[UNK]", "<s>", "</s>", "<mask>"]), "<s>", "</s>")
    roberta = around(byte_level(FAIRSEQ), "<s>", "</s>")
    gpt2 = byte_level(["<|endoftext|>"])
    gemma = around(spaced_bpe(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]), "<bos>", "<eos>")
    llama = around(spaced_bpe(["<unk>", "<s>", "</s>"]), "<s>", "</s>")
    return {
        "BertTokenizer": written(bert), "MPNetTokenizer": written(mpnet), "RobertaTokenizer": written(roberta),
        "GPT2Tokenizer": written(gpt2), "Qwen2Tokenizer": written(gpt2), "GemmaTokenizer": written(gemma),
        "LlamaTokenizer": written(llama), "XLMRobertaTokenizer": unigram_files(),
        "PreTrainedTokenizerFast": written(bert), "TokenizersBackend": written(roberta),
    }


TOKEN = {"content": "new_tok", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True}
SETTINGS = {
    "nothing": {}, "lower-false": {"do_lower_case": False}, "lower-true": {"do_lower_case": True}, "accents-kept": {"strip_accents": False},
    "accents-gone": {"strip_accents": True, "do_lower_case": False}, "chinese-false": {"tokenize_chinese_chars": False},
    "prefix": {"add_prefix_space": True}, "no-prefix": {"add_prefix_space": False}, "trim": {"trim_offsets": False},
    "bos": {"add_bos_token": True}, "eos": {"add_eos_token": True}, "no-bos": {"add_bos_token": False},
    "legacy": {"legacy": True}, "legacy-false": {"legacy": False}, "left": {"truncation_side": "left"}, "pad-left": {"padding_side": "left"},
    "extra": {"extra_special_tokens": ["new_tok", "<extra>"]}, "extra-object": {"extra_special_tokens": {"image_token": "<extra>"}},
    "additional": {"additional_special_tokens": ["new_tok", "x"]}, "named": {"image_token": "<extra>", "cls_token": "the"},
    "cls": {"cls_token": "new_tok", "sep_token": "<extra>"}, "cls-null": {"cls_token": None}, "mask": {"mask_token": "<mask>"}, "unk": {"unk_token": "x"},
    "mask-object": {"mask_token": {"__type": "AddedToken"} | TOKEN}, "bos-eos": {"bos_token": "the", "eos_token": "x"},
    "decoder": {"added_tokens_decoder": {"4": TOKEN, "0": TOKEN | {"content": "fox", "special": False}}},
    "decoder-empty": {"added_tokens_decoder": {}}, "clean": {"clean_up_tokenization_spaces": True}, "max": {"model_max_length": 5},
    "decoder-strips": {"added_tokens_decoder": {"4": TOKEN | {"content": "[MASK]"}, "3": TOKEN | {"content": "<s>"}}},
    "split-special": {"split_special_tokens": True},
}
MAPS = {"map-cls": {"cls_token": "the"}, "map-object": {"mask_token": TOKEN}, "map-additional": {"additional_special_tokens": ["x", "new_tok"]}}


def cases():
    files = base_files()
    for name, tokenizer in files.items():
        for setting, values in SETTINGS.items():
            yield f"{name} {setting}", {"tokenizer.json": tokenizer, "tokenizer_config.json": {"tokenizer_class": name} | values}
        for setting, values in MAPS.items():
            yield f"{name} {setting}", {"tokenizer.json": tokenizer, "tokenizer_config.json": {"tokenizer_class": name}, "special_tokens_map.json": values}
        yield f"{name} added-file", {
            "tokenizer.json": tokenizer, "tokenizer_config.json": {"tokenizer_class": name}, "added_tokens.json": {"new_tok": 600}}
        changes = {
            "no-normalizer": {"normalizer": None}, "no-added": {"added_tokens": []}, "no-processor": {"post_processor": None},
            "lowercase": {"normalizer": {"type": "Lowercase"}}, "whitespace": {"pre_tokenizer": {"type": "WhitespaceSplit"}},
            "cut": {"truncation": {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0}},
            "nfkc": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}},
            "byte-words": {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}},
        }
        for change, values in changes.items():
            yield f"{name} json-{change}", {"tokenizer.json": tokenizer | values, "tokenizer_config.json": {"tokenizer_class": name}}
        for other in files:
            if other != name:
                yield f"{name} of {other}", {"tokenizer.json": files[other], "tokenizer_config.json": {"tokenizer_class": name}}
        yield f"{name}Fast", {"tokenizer.json": tokenizer, "tokenizer_config.json": {"tokenizer_class": name + "Fast"}}
        yield f"{name} unnamed", {"tokenizer.json": tokenizer, "tokenizer_config.json": {}}
        yield f"{name} alone", {"tokenizer.json": tokenizer}
        # The vocabulary files alone.
        model = tokenizer["model"]
        for setting, values in SETTINGS.items():
            config = {"tokenizer_class": name} | values
            if model["type"] == "WordPiece":
                yield f"{name} vocab.txt {setting}", {
                    "vocab.txt": "".join(piece + "\n" for piece in model["vocab"]).encode(), "tokenizer_config.json": config}
            elif model["type"] == "BPE":
                merges = "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"])
                yield f"{name} vocab.json {setting}", {
                    "vocab.json": model["vocab"], "merges.txt": merges.encode(), "tokenizer_config.json": config}
    plain = sentencepiece()
    for setting, values in SETTINGS.items():
        yield f"sentencepiece {setting}", {
            "sentencepiece.bpe.model": plain, "tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizer"} | values}
    for name, options in {
        "symbols": {"user_defined_symbols": ["fox", "<sep>"], "control_symbols": ["<ctl>"]}, "bytes": {"byte_fallback": True},
        "identity": {"normalization_rule_name": "identity"}, "nfkc_cf": {"normalization_rule_name": "nmt_nfkc_cf"},
        "no-dummy": {"add_dummy_prefix": False}, "spaces": {"remove_extra_whitespaces": False},
    }.items():
        yield f"sentencepiece of {name}", {
            "sentencepiece.bpe.model": sentencepiece(**options), "tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizer"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("--retort", default="retort")
    parser.add_argument("--show", type=int, default=3, help="texts that differ, a case")
    parser.add_argument("--only", default="", help="the cases whose names it is found in")
    options = parser.parse_args()
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        texts = Path(scratch, "texts.jsonl")
        texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
        for name, files in cases():
            if not re.search(options.only, name):
                continue
            folder = Path(scratch, "model")
            shutil.copytree(options.base, folder)
            for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]:
                (folder / file).unlink(missing_ok=True)
            for file, content in files.items():
                (folder / file).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
            try:
                peer = AutoTokenizer.from_pretrained(folder)
                expected = [[peer(text)["input_ids"] for text in TEXTS], [peer(text, truncation=True, max_length=6)["input_ids"] for text in TEXTS]]
            except Exception as error:
                expected, problem = None, f"{type(error).__name__}: {error}"
            found, message = [], ""
            for cut in [], ["--max-len", "6"]:
                done = subprocess.run([options.retort, "tokenize", folder, texts, *cut], capture_output=True, text=True)
                found.append([json.loads(line)["ids"] for line in done.stdout.splitlines()] if done.returncode == 0 else None)
                message = done.stderr.strip()
            if found[0] is None:
                outcome = "both refuse" if expected is None else "refused"
                print(f"{outcome}\t{name}\t{message[:300]}" if expected is not None else f"{outcome}\t{name}")
            elif expected is None:
                outcome = "peer refuses"
                print(f"{outcome}\t{name}\t{problem[:200]}")
            else:
                outcome = "same" if found == expected else "other"
                if outcome == "other":
                    print(f"other\t{name}")
                    both = [pair for side in zip(expected, found) for pair in zip(TEXTS * 2, *side) if pair[1] != pair[2]]
                    for text, right, wrong in both[: options.show]:
                        print(f"   {text!r}: expected {right}, found {wrong}")
            counts[outcome] += 1
            shutil.rmtree(folder)
    print(dict(counts))
    sys.exit(1 if counts["other"] else 0)


main()
