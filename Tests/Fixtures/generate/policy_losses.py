"""Writes Tests/Fixtures/training/policy_losses.json: values and gradients of TRL's losses of GRPO on fixed completions, and
the advantages that its trainer makes of rewards.

    python policy_losses.py    # needs torch and trl 1.16

The losses are the trainer's own method, handed ln p of the tokens instead of a model, in double.
"""
import inspect
import json
import textwrap
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
from trl import GRPOTrainer
from trl.trainer import grpo_trainer

FILE = Path(__file__).parent.parent / "training" / "policy_losses.json"
torch.manual_seed(20261128)
LENGTHS, LONGEST = [5, 3, 7, 1, 4, 6, 2, 7], 8
DEFAULTS = {"kind": "dapo", "level": "token", "epsilon": 0.2, "epsilonHigh": None, "beta": 0.0}


def trainer(s, logps):
    stub = SimpleNamespace(
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
        loss_type=s["kind"], beta=s["beta"], epsilon_low=s["epsilon"],
        epsilon_high=s["epsilon"] if s["epsilonHigh"] is None else s["epsilonHigh"],
        importance_sampling_level=s["level"], max_completion_length=LONGEST, top_entropy_quantile=1.0,
        aux_loss_enabled=False, off_policy_mask_threshold=None, use_vllm=False, current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False, model=SimpleNamespace(training=True), _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(num_processes=1, gather=lambda t: t, gather_for_metrics=lambda t: t,
                                    reduce=lambda t, **_: t))
    stub._get_per_token_logps_and_entropies = lambda *_, **__: (logps, torch.zeros_like(logps), None)
    return stub


def case(name, counts=None, step_tokens=None, **settings):
    s = DEFAULTS | settings
    counts = counts or [True] * len(LENGTHS)
    width = max(LENGTHS)
    mask = torch.tensor([[float(i < n and c) for i in range(width)] for n, c in zip(LENGTHS, counts)]).double()
    # What was sampled is kept in 32 bits.
    old, reference = ((-3 * torch.rand(len(LENGTHS), width)).float() for _ in range(2))
    logps = (old.double() + 0.4 * torch.randn(len(LENGTHS), width).double()).requires_grad_()
    advantages = torch.randn(len(LENGTHS)).double()
    tokens = step_tokens or mask.sum().item()
    ids = torch.zeros(len(LENGTHS), width, dtype=torch.long)
    inputs = {"prompt_ids": ids, "prompt_mask": ids, "completion_ids": ids, "completion_mask": mask,
              "advantages": advantages, "old_per_token_logps": old.double(), "ref_per_token_logps": reference.double(),
              "num_items_in_batch": torch.tensor(tokens).double()}
    loss = GRPOTrainer._compute_loss(trainer(s, logps), None, inputs)
    loss.backward()
    rows = lambda t: [row[:n].tolist() for row, n in zip(t.detach(), LENGTHS)]
    return {"name": name, "settings": s, "counts": counts, "stepTokens": tokens, "advantages": advantages.tolist(),
            "longest": LONGEST, "outputs": rows(logps), "old": rows(old), "reference": rows(reference),
            "value": loss.item(), "gradient": rows(logps.grad)}


def advantages(name, rewards, weights, group, scale, each):
    """The trainer's own lines, cut out of the method that also generates."""
    lines = textwrap.dedent(inspect.getsource(GRPOTrainer._generate_and_score_completions)).split("\n")
    start = next(i for i, l in enumerate(lines) if "unscorable_mask = " in l)
    end = next(i for i, l in enumerate(lines) if "torch.nan_to_num(advantages" in l)
    names = {"self": SimpleNamespace(
        multi_objective_aggregation="normalize_then_sum" if each else "sum_then_normalize", scale_rewards=scale,
        reward_weights=torch.tensor(weights).double(), reward_funcs=weights), "num_generations": group,
        "device": "cpu", "torch": torch, "nanstd": grpo_trainer.nanstd,
        "rewards_per_func": torch.tensor(rewards).double()}
    exec(textwrap.dedent("\n".join(lines[start:end + 1])), names)
    return {"name": name, "rewards": rewards, "weights": weights, "group": group, "scale": scale, "each": each,
            "advantages": names["advantages"].tolist()}


KINDS = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo"]
truncated = [True, False, True, True, True, False, True, True]
losses = [case(f"{kind} {level} beta {beta}", kind=kind, level=level, beta=beta)
          for kind in KINDS for level in ["token", "sequence"] for beta in [0.0, 0.1]]
losses += [case(f"{kind} truncated", truncated, kind=kind, beta=0.1) for kind in KINDS]
losses += [case(f"{kind} higher", kind=kind, epsilon=0.1, epsilonHigh=0.3) for kind in KINDS]
losses += [case(f"{kind} more tokens in the step", step_tokens=50.0, kind=kind) for kind in ["dapo", "cispo"]]
rewards = [[0.0, 1.0, 0.25], [1.0, 1.0, 0.5], [0.0, 0.0, 0.125], [0.0, 1.0, 0.75],
           [1.0, 0.0, 0.5], [1.0, 0.0, 0.5], [1.0, 0.0, 0.5], [1.0, 0.0, 0.5],
           [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
worth = [advantages(f"{scale} each {each}", rewards, [1.0, 0.5, 1.5], 4, scale, each)
         for scale in ["group", "batch", "none"] for each in [False, True]]
FILE.write_text(json.dumps({"losses": losses, "advantages": worth}) + "\n")
print(len(losses), len(worth))
