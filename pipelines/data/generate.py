"""Writes grammar_book.json and qa.json from rules.txt; standard library only, the same bytes every time.

  generate.py [FOLDER]    writes into FOLDER (default: beside this script)

Each core of a rule, a right and a wrong form with two sentences, becomes three questions of three types.
Nothing is written unless every check passes; rules.txt says how it is laid out.
"""
import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SEED = 7
QUESTIONS_PER_CORE = 3
# {a} and {b} are the two forms in random order, {shown} one of them, {blank} the sentence with its place open,
# {choice} with both forms at the place, {wrong} with the wrong form, {filled} with the shown one.
FORMS = {
    "선택형": (
        "다음 문장의 중괄호 안에서 바른 것을 고르시오.\n{choice}",
        "둘 가운데 어문 규범에 맞는 쪽을 골라 문장을 완성하시오.\n{choice}",
        "{choice}\n이 문장에는 어느 표현을 써야 하는가?",
        "알맞은 표현을 골라 쓰시오.\n{choice}",
        "받아쓰기 답안이 두 가지로 나왔다. 맞는 답안은 어느 것인가?\n{choice}",
    ),
    "교정형": (
        "다음 문장에서 틀린 곳을 바르게 고치시오.\n{wrong}",
        "어문 규범에 어긋난 부분을 찾아 고쳐 쓰시오.\n{wrong}",
        "{wrong}\n위 문장에는 잘못이 하나 있다. 바로잡으시오.",
        "학생이 쓴 글의 한 문장이다. 잘못 쓴 말을 바로잡아 주시오.\n{wrong}",
    ),
    "진위형": (
        "다음 문장에서 ‘{shown}’ 부분은 바른가? 바르지 않으면 고치시오.\n{filled}",
        "{filled}\n‘{shown}’ 부분이 규범에 맞으면 ○, 틀리면 ×를 쓰고 바른 표현을 밝히시오.",
        "공책에 이렇게 적었다.\n{filled}\n‘{shown}’ 부분을 그대로 두어도 되는가?",
        "‘{shown}’ 부분에 주의하여 다음 문장이 맞는지 판단하시오.\n{filled}",
    ),
    "빈칸형": (
        "빈칸에 들어갈 말로 알맞은 것은?\n{blank}\n① {a}  ② {b}",
        "<보기>에서 알맞은 말을 골라 빈칸을 채우시오.\n{blank}\n<보기> {a} | {b}",
        "{blank}\n빈칸에 ㉠ ‘{a}’, ㉡ ‘{b}’ 중 무엇을 넣어야 하는가?",
        "문장을 완성하려고 한다. 빈칸에 맞는 것은?\n{blank}\n(1) {a}\n(2) {b}",
    ),
    "설명형": (
        "‘{a}’, ‘{b}’ 가운데 다음 자리에 맞는 것을 고르고 그 까닭을 설명하시오.\n{blank}",
        "다음 빈칸을 두고 한 사람은 ‘{a}’, 다른 사람은 ‘{b}’ 쪽이 맞는다고 한다. 누가 옳으며 왜 그런가?\n{blank}",
        "{blank}\n이 자리에 ‘{a}’ 또는 ‘{b}’ 하나만 쓸 수 있다. 무엇을 쓰며 까닭은 무엇인가?",
    ),
}


@dataclass
class Core:
    right: str
    wrong: str
    sentences: list[str]


@dataclass
class Rule:
    id: str
    part: str
    title: str
    text: str
    cores: list[Core]


def read_rules(path: Path) -> list[Rule]:
    rules = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("//"):
            continue
        fields = [field.strip() for field in line.removeprefix("#").split(" | ")]
        if line.startswith("#") and len(fields) == 2:
            rules.append(Rule(f"R{len(rules) + 1:03}", *fields, text="", cores=[]))
        elif len(fields) == 4 and all(sentence.count("_") == 1 for sentence in fields[2:]):
            rules[-1].cores.append(Core(fields[0], fields[1], fields[2:]))
        elif len(fields) == 1 and not rules[-1].text:
            rules[-1].text = line
        else:
            sys.exit(f"{path.name}:{number}: neither a rule, its text nor a core: {line}")
    return rules


def has_final_consonant(word: str) -> bool:
    """Whether the last Hangul syllable (0xAC00 + 28·k + final) has a final consonant."""
    last = re.findall("[가-힣]", word)[-1]
    return (ord(last) - 0xAC00) % 28 != 0


def subject_particle(word: str) -> str:
    return "이" if has_final_consonant(word) else "가"


def first_sentence(text: str) -> str:
    return re.match(r".*?다\.", text)[0]


def make_questions(rules: list[Rule]) -> list[dict]:
    rng = random.Random(SEED)
    types, questions, turn = list(FORMS), [], 0
    for rule in rules:
        for core in rule.cores:
            for i in range(QUESTIONS_PER_CORE):
                kind, sentence = types[turn % len(types)], core.sentences[i % len(core.sentences)]
                a, b = rng.sample([core.right, core.wrong], 2)
                question = rng.choice(FORMS[kind]).format(
                    a=a, b=b, shown=a, blank=sentence.replace("_", "(      )"), filled=sentence.replace("_", a),
                    choice=sentence.replace("_", f"{{{a}/{b}}}"), wrong=sentence.replace("_", core.wrong))
                answer = f"“{core.right}”{subject_particle(core.right)} 옳다. {first_sentence(rule.text)}"
                questions.append({"id": f"Q{len(questions) + 1:04}", "type": kind, "question": question,
                                  "rule": rule.id, "pair": f"{core.right}/{core.wrong}", "answer": answer})
                turn += 1
    return questions


def problems(rules: list[Rule], questions: list[dict]) -> list[str]:
    found = []

    def check(holds: bool, message: str) -> None:
        if not holds:
            found.append(message)

    for name, values in (("title", [rule.title for rule in rules]), ("text", [rule.text for rule in rules]),
                         ("question", [question["question"] for question in questions])):
        for value, count in Counter(values).items():
            check(count == 1, f"{name} occurs {count} times: {value}")
    per_rule = Counter(question["rule"] for question in questions)
    by_id = {rule.id: rule for rule in rules}
    for rule in rules:
        check(2 <= len(re.findall(r"다\.|라\.|자\.", rule.text)) <= 4, f"{rule.id} has not 2 to 4 sentences")
        check(per_rule[rule.id] >= 8, f"{rule.id} has {per_rule[rule.id]} questions")
        for core in rule.cores:
            check(core.right != core.wrong, f"{rule.id}: {core.right} is right and wrong")
            for sentence in core.sentences:
                follows = re.search(r"_(은|는|이|가|을|를|과|와|으로|로)(?=[ .,]|$)", sentence)
                if follows:
                    closed = has_final_consonant(core.right)
                    rieul = (ord(re.findall("[가-힣]", core.right)[-1]) - 0xAC00) % 28 == 8
                    expected = {"로": rieul or not closed, "으로": closed and not rieul}.get(
                        follows[1], closed == (follows[1] in "은이을과"))
                    check(expected, f"{rule.id}: particle after {core.right}: {sentence}")
    for question in questions:
        rule = by_id.get(question["rule"])
        check(rule is not None, f"{question['id']} names no rule")
        check(rule.title not in question["question"] and rule.id not in question["question"],
              f"{question['id']} gives its rule away")
        quoted = re.match(r"“(.+?)”(이|가) 옳다\. .+다\.$", question["answer"])
        check(quoted is not None and (quoted[2] == "이") == has_final_consonant(quoted[1]),
              f"{question['id']} has a malformed answer: {question['answer']}")
    check(len(rules) >= 80, f"only {len(rules)} rules")
    check(len(questions) >= 800, f"only {len(questions)} questions")
    return found


def main() -> None:
    here = Path(__file__).parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    rules = read_rules(here / "rules.txt")
    questions = make_questions(rules)
    if found := problems(rules, questions):
        sys.exit("\n".join(found))
    book = [{"id": rule.id, "part": rule.part, "title": rule.title, "text": rule.text} for rule in rules]
    for name, rows in (("grammar_book.json", book), ("qa.json", questions)):
        text = json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(rows)}")


if __name__ == "__main__":
    main()
