"""Reads the two public price lists, each into the same shape.

A price list is, in this program, a pair: `services`, {service: {threshold: {class: dollars per
million}}}, and `units`, {unit: dollars for one}. `standard` is the service of a call that asks for
none, and a threshold the number of input tokens above which its rates hold for the whole call.
Money is Decimal from the first byte to the last.
"""

import datetime
import re
from dataclasses import dataclass, field
from decimal import Decimal

from genai_prices import types

CLASSES = [
    "input",
    "cached_input",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "cached_audio_input",
    "image_input",
    "cached_image_input",
    "output",
    "audio_output",
    "image_output",
]
UNITS = ["hour", "character", "page", "annotated_page", "search", "image"]
MILLION = 1_000_000


class Refused(Exception):
    """The snapshot cannot be made as things stand; the text says what to do."""


@dataclass
class PriceList:
    services: dict = field(default_factory=dict)
    units: dict = field(default_factory=dict)

    def says_something(self):
        return bool(self.services.get("standard") or self.units)


def short(services):
    """The standard rates of a short call."""
    return services.get("standard", {}).get(0, {})


# The primary.

PRIMARY_PROVIDERS = {"gemini": "google"}
PRIMARY_CLASSES = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "cached_audio_input",
    "input_image_mtok": "image_input",
    "cache_image_read_mtok": "cached_image_input",
    "output_mtok": "output",
    "output_audio_mtok": "audio_output",
    "output_image_mtok": "image_output",
}
PRIMARY_UNITS = {
    "audio_hours": ("hour", 1),
    "input_audio_hours": ("hour", 1),
    "input_mchars": ("character", MILLION),
    "input_document_kpages": ("page", 1000),
    "input_annotated_document_kpages": ("annotated_page", 1000),
    "web_searches_kcount": ("search", 1000),
}
# What no call that we admit can use: searching files kept at the provider, and reading films, which
# `Usage` does not count apart.
PRIMARY_UNUSED = {"storage_searches_kcount", "input_video_mtok"}
PRIMARY_SERVICES = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
    ("service_tier", "default"): None,
}


def primary_prices(model_id, prices):
    """One service's rates and units, or None for a model with prices that a call cannot express."""
    by_threshold, units = {}, {}
    for key, value in vars(prices).items():
        if value is None or key in PRIMARY_UNUSED:
            continue
        if key in PRIMARY_UNITS:
            unit, per = PRIMARY_UNITS[key]
            if units.setdefault(unit, value / per) != value / per:
                raise Refused(f"{model_id}: two prices for one {unit}")
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
    return by_threshold, units


def primary_list(model, moment):
    """The primary's price list of `model` at `moment`, or None where a call does not say its cost."""
    variants = model.price_variants or []
    conditional = model.prices if isinstance(model.prices, list) else []
    if any(isinstance(each.constraint, types.TimeOfDateConstraint) for each in [*conditional, *variants]):
        raise Refused(f"{model.id}: prices by the hour, which the snapshot cannot say")
    standard = primary_prices(model.id, model.get_prices(moment))
    if not standard:
        return None

    rates, units = standard
    services = {"standard": rates} if rates else {}
    for variant in variants:
        when = list(variant.when.items())
        if len(when) != 1 or when[0] not in PRIMARY_SERVICES:
            raise Refused(f"{model.id}: a price for {variant.when}, which this program does not know")
        service = PRIMARY_SERVICES[when[0]]
        active = variant.constraint is None or variant.constraint.active(moment)
        variant_prices = primary_prices(model.id, variant.prices)
        if service and active and variant_prices and variant_prices[0]:
            services.setdefault(service, variant_prices[0])
    return PriceList(services, units)


def announced(model, date):
    """The days after `date` on which the primary says that the model's prices change."""
    conditional = model.prices if isinstance(model.prices, list) else []
    starts = [each.constraint.start_date for each in conditional if each.constraint is not None]
    return [day for day in starts if day > date]


# The secondary.

SECONDARY_PREFIXES = {"gemini": "gemini/", "mistral": "mistral/"}
SECONDARY_PROVIDERS = {"cohere_chat": "cohere"}
SECONDARY_KEY = re.compile(
    r"(?P<rate>(?:input|output)_cost_per_(?:audio_|image_)?token"
    r"|cache_read_input_(?:audio_|image_)?token_cost|cache_creation_input_token_cost)"
    r"(?P<long>_above_1hr|_above_12hr)?"
    r"(?:_above_(?P<thousands>\d+)k_tokens)?"
    r"(?:_(?P<service>batches|flex|priority|ultrafast))?"
)
SECONDARY_CLASSES = {
    "input_cost_per_token": "input",
    "input_cost_per_audio_token": "audio_input",
    "input_cost_per_image_token": "image_input",
    "cache_read_input_token_cost": "cached_input",
    "cache_read_input_audio_token_cost": "cached_audio_input",
    "cache_read_input_image_token_cost": "cached_image_input",
    "cache_creation_input_token_cost": "cache_write_5m",
    "output_cost_per_token": "output",
    "output_cost_per_audio_token": "audio_output",
    "output_cost_per_image_token": "image_output",
}
SECONDARY_UNITS = {
    "input_cost_per_second": ("hour", 3600),
    "input_cost_per_character": ("character", 1),
    "ocr_cost_per_page": ("page", 1),
    "annotation_cost_per_page": ("annotated_page", 1),
    "input_cost_per_query": ("search", 1),
    "input_cost_per_image": ("image", 1),
}
# What a model is for. `code` is filling in the middle, which only some of Mistral's do.
SECONDARY_CAPABILITIES = {
    "chat": ["chat"],
    "responses": ["chat"],
    "ocr": ["chat"],
    "embedding": ["embeddings"],
    "rerank": ["embeddings"],
    "image_generation": ["images"],
    "audio_speech": ["audio"],
    "audio_transcription": ["audio"],
}
FILLS_IN_THE_MIDDLE = re.compile(r"codestral-(latest|\d{4})|mistral-code-(fim-)?latest")
# Only what is reached by these alone is out of reach: sockets, agents that run for an hour.
OUT_OF_REACH = {"/v1/realtime", "/v1/realtime/transcription_sessions", "/v1beta/interactions", "/v1/decisions"}
OUT_OF_REACH_BY_NAME = re.compile(r"^ft:|-search-|-realtime-|^deep-research-|^parse-")


def secondary_models(entries, provider_id, date):
    """The provider's models that can be called on `date`, by the id that a request names."""
    prefix = SECONDARY_PREFIXES.get(provider_id, "")
    models = {}
    for key, entry in entries.items():
        named = entry.get("litellm_provider")
        if SECONDARY_PROVIDERS.get(named, named) != provider_id or not key.startswith(prefix):
            continue
        model_id = key.removeprefix(prefix).removeprefix("cohere/")
        # What still has a slash is one size of image, an estimate of what its tokens cost.
        if "/" not in model_id and is_offered(model_id, entry, date):
            models[model_id] = entry
    return models


def is_offered(model_id, entry, date):
    """Whether `entry` can be called on `date`, through a path that we have."""
    if OUT_OF_REACH_BY_NAME.search(model_id) or entry.get("mode") not in SECONDARY_CAPABILITIES:
        return False
    endpoints = entry.get("supported_endpoints")
    if endpoints and OUT_OF_REACH.issuperset(endpoints):
        return False
    ends = entry.get("deprecation_date")
    return not ends or datetime.date.fromisoformat(ends) > date


def capabilities_of(provider_id, model_id, entry):
    mode = entry["mode"]
    # Gemini's are asked for an image in a chat, and may answer with words.
    if provider_id == "gemini" and mode == "image_generation":
        return ["chat", "images"]
    if provider_id == "mistral" and FILLS_IN_THE_MIDDLE.fullmatch(model_id):
        return ["chat", "code"]
    return SECONDARY_CAPABILITIES[mode]


def secondary_list(model_id, entry):
    """The secondary's price list. A price of zero there is one that nobody filled in."""
    services, units = {}, {}
    for key, value in entry.items():
        match = SECONDARY_KEY.fullmatch(key)
        if not match or not value:
            continue
        service = {None: "standard", "batches": "batch"}.get(match["service"], match["service"])
        threshold = int(match["thousands"] or 0) * 1000
        name = "cache_write_1h" if match["long"] else SECONDARY_CLASSES[match["rate"]]
        rates = services.setdefault(service, {}).setdefault(threshold, {})
        rates[name] = Decimal(value) * MILLION

    if entry.get("output_cost_per_reasoning_token") not in [None, entry.get("output_cost_per_token")]:
        raise Refused(f"{model_id}: reasoning has a price of its own, which the snapshot cannot say")
    if entry.get("mode") == "audio_speech":
        # All that it writes is sound; a second price for output is nobody's.
        for steps in services.values():
            for rates in steps.values():
                if "audio_output" in rates:
                    rates.pop("output", None)
    # Beside rates for tokens, a price by the second or the image says what the tokens come to.
    if not short(services) or entry["mode"] in ["ocr", "embedding"]:
        for key, (unit, per) in SECONDARY_UNITS.items():
            if entry.get(key):
                units[unit] = Decimal(entry[key]) * per
    searches = set(entry.get("search_context_cost_per_query", {}).values())
    if len(searches) > 1:
        raise Refused(f"{model_id}: a search has several prices, which the snapshot cannot say")
    units |= {"search": Decimal(price) for price in searches if price}
    return PriceList(services, units)
