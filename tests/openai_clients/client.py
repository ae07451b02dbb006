"""The official client for Python against the gateway; tests/openai_clients/run starts what it needs."""

import json
import os
import time
import urllib.request

import openai
from openai import OpenAI
from pydantic import BaseModel

URL = os.environ["GATEWAY_URL"]
client = OpenAI(base_url=URL, api_key="callers-own")


def ask(text, model="auto", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def requests(counts):
    with urllib.request.urlopen(os.environ[counts]) as reply:
        return json.load(reply)["requests"]


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def chat():
    reply = ask("Why?", n=2, seed=7, logprobs=True, temperature=0)
    assert reply.choices[1].message.content == "echo: Why?" and reply.usage.total_tokens > 0
    assert reply.choices[0].logprobs.content[0].token == "echo"
    raw = client.chat.completions.with_raw_response.create(model="well", messages=[{"role": "user", "content": "x"}])
    assert raw.headers["x-flux-model"] == "well" and raw.headers["x-request-id"]
    assert [model.id for model in client.models.list()] == ["well"]


def stream():
    chunks = list(ask("中文，一字不丢", stream=True, stream_options={"include_usage": True}))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == "echo: 中文，一字不丢", said
    assert chunks[-1].usage.completion_tokens > 0
    broken = []
    raises(openai.APIError, lambda: broken.extend(ask("some words that are cut", model="cut", stream=True)))
    assert broken, "its first words came"


def tools():
    weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
    messages = [{"role": "user", "content": "Is it warm?"}]
    call = client.chat.completions.create(model="auto", messages=messages, tools=[weather]).choices[0].message
    assert json.loads(call.tool_calls[0].function.arguments) == {"city": "Paris"}
    messages += [call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "20 degrees"}]
    assert client.chat.completions.create(model="auto", messages=messages, tools=[weather]).choices[0].message.content == "echo: Is it warm?"
    with client.chat.completions.stream(model="auto", messages=messages[:1], tools=[weather]) as events:
        assert events.get_final_completion().choices[0].message.tool_calls[0].function.name == "weather"


def json_schema():
    class City(BaseModel):
        name: str
        people: int

    parsed = client.chat.completions.parse(model="auto", messages=[{"role": "user", "content": "Which?"}], response_format=City)
    assert parsed.choices[0].message.parsed == City(name="text", people=1)


def embeddings():
    vectors = client.embeddings.create(model="well", input=["a", "bb"], encoding_format="float")
    assert sorted(vector.index for vector in vectors.data) == [0, 1] and len(vectors.data[0].embedding) == 4


def errors():
    assert raises(openai.BadRequestError, lambda: ask("[[status 400]]")).body["message"] == "the prompt asked for this status"
    assert raises(openai.UnprocessableEntityError, lambda: ask("[[status 422]]")).status_code == 422
    assert raises(openai.NotFoundError, lambda: ask("x", model="nobody")).code == "model_not_found"
    stranger = OpenAI(base_url=URL, api_key="wrong")
    raises(openai.AuthenticationError, lambda: stranger.models.list())
    assert raises(openai.RateLimitError, lambda: ask("x", model="empty")).code == "insufficient_quota"
    assert requests("EMPTY_COUNTS") <= 1, "what the gateway has tried is not tried again"


def retries():
    before = requests("UPSTREAM_COUNTS")
    raises(openai.InternalServerError, lambda: ask("[[status 500]]", model="well", extra_headers={"x-flux-deadline-ms": "800"}))
    assert requests("UPSTREAM_COUNTS") - before <= 6, "the gateway's own tries and no more"
    time.sleep(2.5)  # for the model to be asked again after its failures
    begun = time.monotonic()
    assert all(ask(f"held {number}", model="held").choices for number in range(4))
    assert time.monotonic() - begun > 0.8, "the third one was refused, and tried again after Retry-After"


for part in [chat, stream, tools, json_schema, embeddings, errors, retries]:
    part()
    print(f"python, openai {openai.__version__}: {part.__name__} well")
