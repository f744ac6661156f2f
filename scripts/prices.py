"""Merges two public price lists into one dated snapshot.

`genai-prices` is the primary: decimals, tiers by length, dates. `litellm` is the secondary: which
models are alive, their limits, and rates the primary lacks. Its zero or missing prices are not
free. Where both name a rate and differ by more than one per cent, the run fails until
prices.explained.json says which wins and why.

A price list is, in this program, {service: {threshold: {class: dollars per million}}}; `standard`
is the service of a call that asks for none, and a threshold the number of input tokens above which
its rates hold for the whole call. Money is Decimal from the first byte to the last.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import re
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import genai_prices.data
from genai_prices import types

FORMAT = 2
PROVIDERS = ["anthropic", "openai"]
CLASSES = ["input", "cached_input", "cache_write_5m", "cache_write_1h", "output"]
SERVICES = ["batch", "flex", "priority", "fast", "ultrafast"]
TOLERANCE = Decimal("0.01")
# What keeping a prefix in the cache for long (an hour; at OpenAI, twelve) costs, in times the input
# price, wherever it is published. Used where it is not.
LONG_WRITE = {"anthropic": Decimal(2), "openai": Decimal("2.5")}

DATA = Path("crates/providers/data")
EXPLAINED = Path("scripts/prices.explained.json")
LITELLM_MAP = "litellm/model_prices_and_context_window_backup.json"


class Refused(Exception):
    """The snapshot cannot be made as things stand; the text says what to do."""


# The primary.

PRIMARY_CLASSES = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
}
# Fees for each use of a tool the provider runs. A call that uses one has no exact ceiling, so it
# is not priced here.
PRIMARY_TOOL_FEES = {"web_searches_kcount", "storage_searches_kcount"}
PRIMARY_SERVICES = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
    ("service_tier", "default"): None,
}


def primary_rates(model_id, prices):
    """One service's rates, or None for a model with prices that usage in tokens cannot express."""
    by_threshold = {}
    for key, value in vars(prices).items():
        if value is None or key in PRIMARY_TOOL_FEES:
            continue
        if key not in PRIMARY_CLASSES:
            return None
        steps = [(0, value)]
        if isinstance(value, types.TieredPrices):
            steps = [(0, value.base)] + [(tier.start, tier.price) for tier in value.tiers]
        for threshold, dollars in steps:
            if not isinstance(dollars, Decimal):
                raise Refused(f"{model_id}: {key} is not a decimal")
            if dollars > 0:
                by_threshold.setdefault(threshold, {})[PRIMARY_CLASSES[key]] = dollars
    return by_threshold


def primary_list(model, moment):
    """The primary's price list of `model` at `moment`, or None where tokens do not say its cost."""
    variants = model.price_variants or []
    conditional = model.prices if isinstance(model.prices, list) else []
    if any(isinstance(each.constraint, types.TimeOfDateConstraint) for each in [*conditional, *variants]):
        raise Refused(f"{model.id}: prices by the hour, which the snapshot cannot say")
    standard = primary_rates(model.id, model.get_prices(moment))
    if not standard:
        return None

    prices = {"standard": standard}
    for variant in variants:
        when = list(variant.when.items())
        if len(when) != 1 or when[0] not in PRIMARY_SERVICES:
            raise Refused(f"{model.id}: a price for {variant.when}, which this program does not know")
        service = PRIMARY_SERVICES[when[0]]
        active = variant.constraint is None or variant.constraint.active(moment)
        rates = primary_rates(model.id, variant.prices)
        if service and active and rates:
            prices.setdefault(service, rates)
    return prices


# The secondary.

SECONDARY_KEY = re.compile(
    r"(?P<rate>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost)"
    r"(?P<long>_above_1hr|_above_12hr)?"
    r"(?:_above_(?P<thousands>\d+)k_tokens)?"
    r"(?:_(?P<service>batches|flex|priority|ultrafast))?"
)
SECONDARY_CLASSES = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write_5m",
    "output_cost_per_token": "output",
}
SECONDARY_CAPABILITIES = {"chat": "chat", "responses": "chat", "embedding": "embeddings"}


def secondary_list(entry):
    """The secondary's price list. A price of zero there is one that nobody filled in."""
    prices = {}
    for key, value in entry.items():
        match = SECONDARY_KEY.fullmatch(key)
        if not match or not value:
            continue
        service = {None: "standard", "batches": "batch"}.get(match["service"], match["service"])
        threshold = int(match["thousands"] or 0) * 1000
        name = "cache_write_1h" if match["long"] else SECONDARY_CLASSES[match["rate"]]
        rates = prices.setdefault(service, {}).setdefault(threshold, {})
        rates[name] = Decimal(value) * 1_000_000
    return prices


def is_offered(model_id, entry, date):
    """Whether `entry` can be called on `date`, and priced by the tokens of one call."""
    # A fine-tuned model has an id of its own, which no list knows.
    if model_id.startswith("ft:") or entry.get("mode") not in SECONDARY_CAPABILITIES:
        return False
    # It searches in each call, for a fee beside the tokens.
    if "-search-" in model_id:
        return False
    # Tokens of sound have rates of their own, which `Usage` does not count.
    if any("_per_audio_" in key for key in entry):
        return False
    ends = entry.get("deprecation_date")
    return not ends or datetime.date.fromisoformat(ends) > date


# Both.


class Explained:
    """The reasons people wrote down. One that is no longer needed is an error too."""

    def __init__(self, text):
        self.file = json.loads(text)
        self.wanted = {(each["model"], each["field"]): each for each in self.file["differences"]}
        self.used = set()
        self.unexplained = []

    def models(self, choice, provider_id):
        """The models of one provider that people decided to include, or to leave out."""
        named = ((*each["model"].split("/", 1), each) for each in self.file[choice])
        return [(model_id, each) for provider, model_id, each in named if provider == provider_id]

    def winner(self, model, field, primary, secondary):
        """Which of two values holds."""
        entry = self.wanted.get((model, field))
        if entry and (entry["genai-prices"], entry["litellm"]) == (show(primary), show(secondary)):
            self.used.add((model, field))
            return {"genai-prices": primary, "litellm": secondary}[entry["wins"]]
        self.unexplained.append(f"{model} {field}: genai-prices {show(primary)}, litellm {show(secondary)}")
        return primary

    def check(self):
        stale = [f"{model} {field}: explained, but no longer so" for model, field in self.wanted.keys() - self.used]
        if self.unexplained or stale:
            raise Refused("\n".join([*self.unexplained, *sorted(stale), f"Explain it in {EXPLAINED}."]))


def show(dollars):
    if dollars is None:
        return "none"
    text = format(dollars, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def merge(model, primary, secondary, explained):
    """One price list from two; the primary wins where it speaks and nobody decided otherwise."""
    merged = {}
    for service in ["standard", *SERVICES]:
        mine, theirs = primary.get(service, {}), secondary.get(service, {})
        thresholds = mine.keys() | theirs.keys()
        # A step in one list alone changes what long calls cost, so it is a difference like another.
        if service == "standard" and mine and theirs:
            for threshold in sorted(mine.keys() ^ theirs.keys()):
                step = (mine if threshold in mine else theirs)[threshold]["input"]
                sides = (step, None) if threshold in mine else (None, step)
                if explained.winner(model, f"standard.above_{threshold}", *sides) is None:
                    thresholds.discard(threshold)

        for threshold in sorted(thresholds):
            rates = {}
            for name in CLASSES:
                one, other = mine.get(threshold, {}).get(name), theirs.get(threshold, {}).get(name)
                if one and other and abs(one - other) > TOLERANCE * min(one, other):
                    above = f"above_{threshold}." if threshold else ""
                    one = explained.winner(model, f"{service}.{above}{name}", one, other)
                if one or other:
                    rates[name] = one or other
            merged.setdefault(service, {})[threshold] = rates
    return merged


def complete(prices, long_write):
    """Puts a rate that is never too low wherever neither source has one."""
    standard = prices["standard"]
    for steps in prices.values():
        for rates in steps.values():
            if "cache_write_5m" in rates and "input" in rates:
                rates.setdefault("cache_write_1h", rates["input"] * long_write)
    for service in SERVICES:
        if service not in prices:
            continue
        steps = prices[service]
        if not steps.get(0, {}).get("input"):
            # Half a price list; without it, the service has no price and is refused.
            del prices[service]
            continue
        for threshold, usual in standard.items():
            rates = steps.get(threshold, {})
            if "input" not in rates:
                # Long calls are not offered at this service and fall back to the standard one, or
                # they are and nobody wrote it down: the dearer of the two.
                steps[threshold] = {name: max(usual[name], steps[0].get(name, usual[name])) for name in usual}
                continue
            # Dearer by as much as input is, and never below what it usually costs.
            scale = max(rates["input"] / usual["input"], Decimal(1))
            for name in usual:
                rates.setdefault(name, usual[name] * scale)
        prices[service] = dict(sorted(steps.items()))
    return prices


def check_sane(model, prices, capabilities):
    """Catches what a slip in either source would do to a bill."""
    for service, steps in prices.items():
        for threshold, rates in steps.items():
            where = f"{model} {service} above {threshold}"
            needed = {"input"} if capabilities == ["embeddings"] else {"input", "output"}
            if not needed <= rates.keys() or ("cache_write_5m" in rates) != ("cache_write_1h" in rates):
                raise Refused(f"{where}: only has {sorted(rates)}")
            if rates.get("cached_input", 0) > rates["input"]:
                raise Refused(f"{where}: reading from the cache costs more than reading afresh")
            if rates.get("cache_write_5m", rates["input"]) < rates["input"]:
                raise Refused(f"{where}: writing to the cache costs less than reading")
            for name, dollars in rates.items():
                if dollars.as_tuple().exponent < -9 and dollars != dollars.quantize(Decimal("1e-9")):
                    raise Refused(f"{where}: {name} {dollars} has more than nine decimals")


def build_provider(provider_id, entries, date, explained):
    provider = next(each for each in genai_prices.data.providers if each.id == provider_id)
    moment = datetime.datetime.combine(date, datetime.time(12), datetime.timezone.utc)
    offered = {
        model_id: (entry, entry)
        for model_id, entry in entries.items()
        if entry.get("litellm_provider") == provider_id and is_offered(model_id, entry, date)
    }
    for model_id, extra in explained.models("included", provider_id):
        if model_id in offered:
            raise Refused(f"{model_id}: included by hand, but no longer missing. Remove it from {EXPLAINED}.")
        # Known to the primary alone: its prices, and the limits of the model it is said to be like.
        offered[model_id] = ({}, entries[extra["limits_of"]])
    for model_id, _ in explained.models("left_out", provider_id):
        if not offered.pop(model_id, None):
            raise Refused(f"{model_id}: left out by hand, but no longer offered. Remove it from {EXPLAINED}.")

    models = []
    for model_id, (priced, limits) in sorted(offered.items()):
        known = provider.find_model(model_id)
        primary = primary_list(known, moment) if known else {}
        secondary = secondary_list(priced)
        name = f"{provider_id}/{model_id}"
        if primary is None or not (primary or secondary).get("standard"):
            print(f"left out, no price in tokens: {name}")
            continue
        if not primary:
            print(f"only in litellm: {name}")
        capabilities = [SECONDARY_CAPABILITIES[limits["mode"]]]
        prices = complete(merge(name, primary, secondary, explained), LONG_WRITE[provider_id])
        check_sane(name, prices, capabilities)
        # An entry without limits is one that nobody filled in, and what it does not say may be so.
        unknown = "max_output_tokens" not in limits
        windows = [limits.get("max_input_tokens"), known.context_window if known else None]
        models.append(
            {
                "id": model_id,
                "capabilities": capabilities,
                "context_tokens": max(filter(None, windows), default=None),
                "max_output_tokens": limits.get("max_output_tokens"),
                "may_reason": capabilities == ["chat"] and bool(limits.get("supports_reasoning", unknown)),
                "prices": prices,
            }
        )
    report_left_out(provider, {each["id"] for each in models}, moment)
    return models


def report_left_out(provider, included, moment):
    """Names what only the primary prices, so that a new model is noticed and can be included."""
    alone = [
        model.id
        for model in provider.models
        if primary_list(model, moment) and not any(map(model.is_match, included))
    ]
    print(f"only in genai-prices, left out: {provider.id}/{{{','.join(alone)}}}")


# The file.


def write_tier(threshold, rates):
    fields = {"above_input_tokens": threshold} if threshold else {}
    fields |= {name: show(rates[name]) for name in CLASSES if name in rates}
    return json.dumps(fields)


def write_tiers(steps, indent):
    lines = ",\n".join(f"{indent}  {write_tier(*step)}" for step in sorted(steps.items()))
    return f"[\n{lines}\n{indent}]"


def write_model(model):
    facts = ", ".join(f'"{key}": {json.dumps(value)}' for key, value in model.items() if key != "prices" and value)
    lines = [f'        {facts},\n        "prices": {write_tiers(model["prices"]["standard"], " " * 8)}']
    services = [
        f'          "{service}": {write_tiers(model["prices"][service], " " * 10)}'
        for service in SERVICES
        if service in model["prices"]
    ]
    if services:
        lines.append('        "service_tiers": {\n' + ",\n".join(services) + "\n        }")
    return "      {\n" + ",\n".join(lines) + "\n      }"


def write(date, sources, providers):
    listed = ",\n".join(f"    {json.dumps(source)}" for source in sources)
    blocks = ",\n".join(
        f'    "{provider}": [\n' + ",\n".join(map(write_model, models)) + "\n    ]"
        for provider, models in providers.items()
    )
    return (
        f'{{\n  "format": {FORMAT},\n  "date": "{date}",\n  "sources": [\n{listed}\n  ],\n'
        f'  "providers": {{\n{blocks}\n  }}\n}}\n'
    )


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def source(name, version, content, file):
    return {"name": name, "version": version, "licence": "MIT", "file": file, "digest": digest(content)}


def make(litellm_wheel, date):
    primary = Path(genai_prices.data.__file__).read_bytes()
    secondary = zipfile.ZipFile(litellm_wheel).read(LITELLM_MAP)
    sources = [
        source("genai-prices", importlib.metadata.version("genai-prices"), primary, "genai_prices/data.py"),
        source("litellm", litellm_wheel.name.split("-")[1], secondary, LITELLM_MAP),
    ]
    entries = json.loads(secondary, parse_float=Decimal)
    explained = Explained(EXPLAINED.read_text())
    providers = {provider: build_provider(provider, entries, date, explained) for provider in PROVIDERS}
    explained.check()
    return write(date, sources, providers).encode()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--litellm", type=Path, required=True)
    arguments.add_argument("--check", action="store_true")
    given = arguments.parse_args()

    prices, prices_digest = DATA / "prices.json", DATA / "prices.json.sha256"
    if not given.check:
        content = make(given.litellm, datetime.datetime.now(datetime.timezone.utc).date())
        prices.write_bytes(content)
        prices_digest.write_text(digest(content) + "\n")
        print(f"wrote {prices}, {len(content)} bytes, {digest(content)}")
        return

    current = prices.read_bytes()
    made = make(given.litellm, datetime.date.fromisoformat(json.loads(current)["date"]))
    if made != current or prices_digest.read_text().strip() != digest(current):
        raise Refused(f"{prices} is not what its sources say: run scripts/prices")
    print(f"{prices} is what its sources say")


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        sys.exit(str(refusal))
