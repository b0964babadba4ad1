"""Makes Tests/Fixtures/tokenizers/sentencepiece: a Unigram model that sentencepiece trains, with the charsmap of its rules
`nmt_nfkc`, in the form that transformers converts it to; what the tokenizers library says of lines.

    python Tests/Fixtures/generate/sentencepiece_model.py     # needs sentencepiece and protobuf; pieces change, as the trainer's do
"""

import io
import unicodedata
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).resolve()
FOLDER = HERE.parent.parent / "tokenizers"
words = {"__name__": "wordpiece", "__file__": str(HERE)}
exec((HERE.parent / "wordpiece.py").read_text().removesuffix("main()\n"), words)

trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(words["SENTENCES"] * 3), model_writer=trained, vocab_size=470, model_type="unigram",
    normalization_rule_name="nmt_nfkc", character_coverage=0.98, minloglevel=2)
proto = sentencepiece_model_pb2.ModelProto.FromString(trained.getvalue())
pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
pieces += [(piece.piece, piece.score) for piece in proto.pieces[3:]] + [("<mask>", 0.0)]
tokenizer = Tokenizer(models.Unigram(pieces, 3, False))
tokenizer.normalizer = normalizers.Sequence([
    normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
    normalizers.Replace(Regex(" {2,}"), "▁")])  # fmt: skip
tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
tokenizer.post_processor = processors.TemplateProcessing(
    single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in ["<s>", "<pad>", "</s>", "<unk>"]])
tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
tokenizer.add_tokens([AddedToken("NÄHE", normalized=True), AddedToken("<right>", rstrip=True, normalized=False)])
(FOLDER / "sentencepiece").mkdir(parents=True, exist_ok=True)
tokenizer.save(str(FOLDER / "sentencepiece/tokenizer.json"), pretty=False)
lines = words["SENTENCES"] + words["nasty_lines"](80, seed=30)
lines += [unicodedata.normalize("NFD", line) for line in lines[:7]]
lines += ["", " ", "  a  b ", "▁▁x", "<mask>a", "a <mask> b", "NÄHEa b", "\x10a", "\x10NÄHE a", "\u200ba", "\x85a", "～①ﬁ㌔", "\u1fdda"]
words["FOLDER"] = FOLDER
words["golden"]("sentencepiece", tokenizer, lines)
