"""Merges two public price lists into one dated snapshot.

`genai-prices` is the primary: decimals, tiers by length, dates. `litellm` is the secondary: which
models are alive, their limits, and rates the primary lacks. Where both name a price and differ by
more than one per cent, the run fails until prices.explained.json says which wins and why.

How either is read is in price_sources.py.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import genai_prices.data
from price_sources import (
    CLASSES,
    PRIMARY_PROVIDERS,
    UNITS,
    PriceList,
    Refused,
    announced,
    capabilities_of,
    primary_list,
    secondary_list,
    secondary_models,
    short,
)

FORMAT = 2
PROVIDERS = ["anthropic", "cohere", "gemini", "mistral", "openai"]
SERVICES = ["batch", "flex", "priority", "fast", "ultrafast"]
TOLERANCE = Decimal("0.01")
# What keeping a prefix in the cache for long (an hour; at OpenAI, twelve) costs, in times the input
# price, wherever it is published. Used where it is not.
LONG_WRITE = {"anthropic": Decimal(2), "openai": Decimal("2.5")}

DATA = Path("crates/providers/data")
EXPLAINED = Path("scripts/prices.explained.json")
LITELLM_MAP = "litellm/model_prices_and_context_window_backup.json"


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
            sides = f"genai-prices {show(primary)}, litellm {show(secondary)}"
            print(f"{model} {field}: {sides}: {entry['wins']}, {entry['reason']}")
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


def differ(one, other):
    return one and other and abs(one - other) > TOLERANCE * min(one, other)


def merge(model, primary, secondary, explained):
    """One price list from two; the primary wins where it speaks and nobody decided otherwise."""
    merged = PriceList()
    for service in ["standard", *SERVICES]:
        mine, theirs = primary.services.get(service, {}), secondary.services.get(service, {})
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
                if differ(one, other):
                    above = f"above_{threshold}." if threshold else ""
                    one = explained.winner(model, f"{service}.{above}{name}", one, other)
                if one or other:
                    rates[name] = one or other
            merged.services.setdefault(service, {})[threshold] = rates

    for unit in UNITS:
        one, other = primary.units.get(unit), secondary.units.get(unit)
        if differ(one, other):
            one = explained.winner(model, f"units.{unit}", one, other)
        if one or other:
            merged.units[unit] = one or other
    return merged


def spell_out(services, provider_id, capabilities, entry):
    """Names the rates that a source leaves to the reader: a kind without a price apart has the common one."""
    common = {}
    if provider_id == "gemini":
        for kind in {"audio", "image"} & set(entry.get("supported_modalities", [])):
            common[f"{kind}_input"] = "input"
    if "images" in capabilities:
        common["image_output"] = "output"
    if entry["mode"] == "audio_speech":
        common["audio_output"] = "output"

    standard = short(services)
    for name, usual in common.items():
        if standard.get(name, standard.get(usual)) != standard.get(usual):
            continue
        for steps in services.values():
            for rates in steps.values():
                if usual in rates:
                    rates.setdefault(name, rates[usual])
                if name in rates and f"cached_{usual}" in rates:
                    rates.setdefault(f"cached_{name}", rates[f"cached_{usual}"])
    if "embeddings" in capabilities:
        # What reads and does not write has no price for output, whatever a source says.
        for steps in services.values():
            for rates in steps.values():
                rates.pop("output", None)


def complete(services, long_write):
    """Puts a rate that is never too low wherever neither source has one."""
    standard = services.get("standard", {})
    for steps in services.values():
        for rates in steps.values():
            if "cache_write_5m" in rates and "input" in rates:
                rates.setdefault("cache_write_1h", rates["input"] * long_write)
    for service in SERVICES:
        if service not in services:
            continue
        steps = services[service]
        if not steps.get(0, {}).get("input") or not standard:
            # Half a price list; without it, the service has no price and is refused.
            del services[service]
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
        services[service] = dict(sorted(steps.items()))


def check_sane(model, prices, capabilities):
    """Catches what a slip in either source would do to a bill."""
    for service, steps in prices.services.items():
        for threshold, rates in steps.items():
            where = f"{model} {service} above {threshold}"
            needed = {"input", "output"} if "chat" in capabilities else {"input"}
            if not needed <= rates.keys() or ("cache_write_5m" in rates) != ("cache_write_1h" in rates):
                raise Refused(f"{where}: only has {sorted(rates)}")
            for kind in ["", "audio_", "image_"]:
                if rates.get(f"cached_{kind}input", 0) > rates.get(f"{kind}input", 0):
                    raise Refused(f"{where}: reading from the cache costs more than reading afresh")
                if rates.get(f"{kind}input", rates["input"]) < rates["input"]:
                    raise Refused(f"{where}: {kind}input costs less than text")
            if rates.get("cache_write_5m", rates["input"]) < rates["input"]:
                raise Refused(f"{where}: writing to the cache costs less than reading")
            for name, dollars in rates.items():
                check_decimals(f"{where}: {name}", dollars)
    for unit, dollars in prices.units.items():
        check_decimals(f"{model}: one {unit}", dollars)


def check_decimals(where, dollars):
    if dollars.as_tuple().exponent < -9 and dollars != dollars.quantize(Decimal("1e-9")):
        raise Refused(f"{where} {dollars} has more than nine decimals")


def build_provider(provider_id, entries, date, explained):
    primary_id = PRIMARY_PROVIDERS.get(provider_id, provider_id)
    provider = next(each for each in genai_prices.data.providers if each.id == primary_id)
    moment = datetime.datetime.combine(date, datetime.time(12), datetime.timezone.utc)
    found = secondary_models(entries, provider_id, date)
    offered = {model_id: (entry, entry) for model_id, entry in found.items()}
    for model_id, extra in explained.models("included", provider_id):
        if model_id in offered:
            raise Refused(f"{model_id}: included by hand, but no longer missing. Remove it from {EXPLAINED}.")
        # Known to the primary alone: its prices, and the limits of the model it is said to be like.
        offered[model_id] = ({"mode": None}, found[extra["limits_of"]])
    for model_id, _ in explained.models("left_out", provider_id):
        if not offered.pop(model_id, None):
            raise Refused(f"{model_id}: left out by hand, but no longer offered. Remove it from {EXPLAINED}.")
    priced_as = {model_id: each["priced_as"] for model_id, each in explained.models("same_price", provider_id)}

    models = []
    for model_id, (priced, limits) in sorted(offered.items()):
        known = provider.find_model(model_id)
        if model_id in priced_as:
            if known and known.is_match(priced_as[model_id]):
                raise Refused(f"{model_id}: priced by hand, but no longer missing. Remove it from {EXPLAINED}.")
            known = provider.find_model(priced_as.pop(model_id))
        primary = primary_list(known, moment) if known else PriceList()
        name = f"{provider_id}/{model_id}"
        secondary = secondary_list(name, priced)
        if primary is None or not (primary.says_something() or secondary.says_something()):
            print(f"left out, no price: {name}")
            continue
        if not primary.says_something():
            print(f"only in litellm: {name}")
        for day in announced(known, date) if known else []:
            print(f"changes on {day}: {name}")
        models.append(build_model(provider_id, model_id, merge(name, primary, secondary, explained), limits, known))
    if priced_as:
        raise Refused(f"{sorted(priced_as)}: priced by hand, but not offered. Remove it from {EXPLAINED}.")
    report_left_out(provider_id, provider, {each["id"] for each in models}, moment)
    return models


def build_model(provider_id, model_id, prices, limits, known):
    capabilities = capabilities_of(provider_id, model_id, limits)
    spell_out(prices.services, provider_id, capabilities, limits)
    complete(prices.services, LONG_WRITE.get(provider_id))
    check_sane(f"{provider_id}/{model_id}", prices, capabilities)
    # An entry without limits is one that nobody filled in, and what it does not say may be so.
    unknown = "max_output_tokens" not in limits
    talks = "chat" in capabilities and bool(prices.services)
    windows = [limits.get("max_input_tokens"), known.context_window if known else None]
    writes = "embeddings" not in capabilities
    return {
        "id": model_id,
        "capabilities": capabilities,
        "context_tokens": max(filter(None, windows), default=None),
        "max_output_tokens": limits.get("max_output_tokens") if writes else None,
        "may_reason": talks and bool(limits.get("supports_reasoning", unknown)),
        "retires": limits.get("deprecation_date"),
        "prices": prices,
    }


def report_left_out(provider_id, provider, included, moment):
    """Names what only the primary prices, so that a new model is noticed and can be included."""
    alone = []
    for model in provider.models:
        priced = primary_list(model, moment)
        if priced and priced.says_something() and not any(map(model.is_match, included)):
            alone.append(model.id)
    print(f"only in genai-prices, left out: {provider_id}/{{{','.join(alone)}}}")


# The file.


def write_tier(threshold, rates):
    fields = {"above_input_tokens": threshold} if threshold else {}
    fields |= {name: show(rates[name]) for name in CLASSES if name in rates}
    return json.dumps(fields)


def write_tiers(steps, indent):
    lines = ",\n".join(f"{indent}  {write_tier(*step)}" for step in sorted(steps.items()))
    return f"[\n{lines}\n{indent}]"


def write_model(model):
    prices = model.pop("prices")
    lines = ["        " + ", ".join(f'"{key}": {json.dumps(value)}' for key, value in model.items() if value)]
    if "standard" in prices.services:
        lines.append(f'        "prices": {write_tiers(prices.services["standard"], " " * 8)}')
    if prices.units:
        units = {unit: show(prices.units[unit]) for unit in UNITS if unit in prices.units}
        lines.append(f'        "units": {json.dumps(units)}')
    services = [
        f'          "{service}": {write_tiers(prices.services[service], " " * 10)}'
        for service in SERVICES
        if service in prices.services
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
