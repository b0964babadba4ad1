"""Makes Tests/Fixtures/templates/golden.json: what transformers' Jinja makes of the templates there.

Needs transformers and jinja2. Each case names a template and has its variables, and the text or, where Jinja refuses, the reason.
"""

import json
from datetime import datetime
from pathlib import Path

import transformers.utils.chat_template_utils as utils

out = Path(__file__).parent.parent / "templates"


class Moment(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 7)


utils.datetime = Moment
tool = {"type": "function", "function": {"name": "weather", "description": 'The "weather" <now>', "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "at": {"type": "object", "properties": {
        "day": {"type": "integer"}, "any": {}}}}}}}
call = {"type": "function", "function": {"name": "weather", "arguments": {"city": "서울", "days": 2}}}
chats = [
    [{"role": "user", "content": "  hello \n"}],
    [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "질문"},
     {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"}, {"role": "user", "content": "more\nlines"}],
    [{"role": "user", "content": "weather?"}, {"role": "assistant", "content": "", "tool_calls": [call, call["function"]]},
     {"role": "user", "content": "<result>3.5</result>"}, {"role": "assistant", "content": "<think>a</think>b"},
     {"role": "assistant", "content": "c"}],
    [{"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image"}, {"type": "text", "text": "two"}]}],
    [],
]
more = {"people": [{"name": "Kim", "age": 40}, {"name": "Lee", "age": 20}, {"name": "Choi"}],
        "tree": [{"v": 1, "c": [{"v": 2}, {"v": 3, "c": [{"v": 4}]}]}, {"v": 5}]}
cases = []
for name in ["turns", "tools", "values", "spaces"]:
    template = utils._cached_compile_jinja_template((out / f"{name}.jinja").read_bytes().decode())
    for chat in chats if name in ("turns", "tools") else chats[:1]:
        for extra in [{}, {"tools": [tool], "enable_thinking": False}] if name == "tools" else [{}]:
            for prompts in [True, False] if name == "turns" else [True]:
                variables = {"messages": chat, "add_generation_prompt": prompts, "bos_token": "<s>", "tools": None, **extra}
                if name == "values":
                    variables |= more
                case = {"template": name, "variables": variables}
                try:
                    case["text"] = template.render(**variables)
                except Exception as error:
                    case["error"] = f"{type(error).__name__}: {error}"
                cases.append(case)
(out / "golden.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
