"""Makes Tests/Fixtures/tokenizers/classes: folders of tiny tokenizers as transformers reads them, and the ids.

Needs transformers, tokenizers, sentencepiece. Run from anywhere.
"""

import json
import shutil
import tempfile
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

out = Path(__file__).parent.parent / "tokenizers" / "classes"
shutil.rmtree(out, ignore_errors=True)
out.mkdir(parents=True)
texts = ["the Quick brown fox", " it's 2024  x <extra> y", "Éclair ﬁne Ⅷ ｶﾞ", "漢字 한국", "a<mask>b [MASK] <s>", ""]
corpus = texts + ["the quick brown fox jumps over the lazy dog"] * 3


def trained(model, trainer):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())["model"]


(out / "symbols.model").write_bytes(b"")
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([t for t in corpus if t]), model_writer=open(out / "symbols.model", "wb"), model_type="unigram",
    vocab_size=80, hard_vocab_limit=False, user_defined_symbols=["fox"], normalization_rule_name="identity", minloglevel=2)
bpe = trained(models.BPE(), trainers.BpeTrainer(vocab_size=280, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
              show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
letters = sorted({c for t in corpus for c in t.lower() if c.strip()})
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "fox"] + letters + ["##" + c for c in letters]
bert = "".join(word + "\n" for word in words)
pieces = {"vocab.json": json.dumps(bpe["vocab"], ensure_ascii=False),
          "merges.txt": "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in bpe["merges"])}
extra = {"extra_special_tokens": ["<extra>"]}
cases = {
    "bert": ({"vocab.txt": bert}, {"tokenizer_class": "BertTokenizer"}),
    "bert-cased": ({"vocab.txt": bert}, {"tokenizer_class": "BertTokenizer", "do_lower_case": False} | extra),
    "roberta": (pieces, {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True} | extra),
    "gpt2": (pieces, {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": "<s>"}),
    "qwen2": (pieces, {"tokenizer_class": "Qwen2Tokenizer", "unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"}),
    "xlm-roberta": ({"sentencepiece.bpe.model": "symbols.model"}, {"tokenizer_class": "XLMRobertaTokenizer"}),
    "xlm-roberta-extra": ({"sentencepiece.bpe.model": "symbols.model"}, {"tokenizer_class": "XLMRobertaTokenizer"} | extra),
}
golden = {}
for name, (files, config) in cases.items():
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            Path(folder, file).write_bytes((out / content).read_bytes() if file.endswith(".model") else content.encode())
        Path(folder, "tokenizer_config.json").write_text(json.dumps(config))
        Path(folder, "config.json").write_text('{"model_type": "bert"}')
        read = AutoTokenizer.from_pretrained(folder)
        golden[name] = {"files": files, "config": config, "ids": [read(text)["input_ids"] for text in texts],
                        "pair": read(texts[0], texts[1])["input_ids"]}
(out / "golden.json").write_text(json.dumps({"texts": texts, "cases": golden}, ensure_ascii=False) + "\n")
