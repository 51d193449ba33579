-- options_common.lua: the options that every strategy takes besides its own.

-- Those without a default stay nil until given.  `meta` names the value in --help.
local COMMON = {
  { name = "env", type = "string", meta = "NAME|DIR", help = "environment to improve" },
  { name = "preset", type = "string", meta = "NAME", help = "variant of the environment, from its env.lua" },
  { name = "text", type = "string", meta = "FILE", help = "text to train on, where the environment trains on one" },
  { name = "model", type = "string", meta = "SPEC", default = "builtin:mutate",
    help = "who has the ideas and makes the changes" },
  { name = "epochs", type = "integer", min = 1, default = 10, help = "rounds of the search" },
  { name = "batch", type = "integer", min = 1, default = 20, help = "ideas in a round" },
  { name = "generalize", type = "string", meta = "PRESET", help = "at the end, run the best ideas with this preset, or on text:FILE, too" },
  { name = "seed", type = "integer", default = 1, help = "seed of every random draw" },
  { name = "slots", type = "integer", min = 1, help = "jobs that run at the same time (one a CPU)" },
  { name = "study", type = "string", meta = "DIR", help = "folder of the study (studies/SCRIPT-ENV)" },
  { name = "new", type = "boolean", default = false, help = "start a new study even if one could be resumed" },
  { name = "json", type = "boolean", default = false, help = "report as JSON" },
  { name = "sandbox", type = "boolean", default = true, help = "run jobs inside the sandbox" },
}

-- What concerns language models, and what may be spent.
local MODELS = {
  { name = "ideator", type = "string", meta = "SPEC", help = 'who has the ideas; several share them: "anthropic:A*3, openai:B"' },
  { name = "implementer", type = "string", meta = "SPEC", help = "who makes the changes, one model or several" },
  { name = "fallback", type = "string", meta = "SPEC", help = "who is asked what a model refuses" },
  { name = "bandit", type = "boolean", help = "of several models, prefer those that have been worth it" },
  { name = "thinking", type = "string", meta = "EFFORT|N", help = "how much models think: low, medium, high, xhigh, max, off, or tokens" },
  { name = "temperature", type = "number", min = 0, max = 2, help = "of every call; unless given the provider's own" },
  { name = "samples", type = "integer", min = 1, max = 100, help = "changes asked for at a time for one idea (10)" },
  { name = "revisions", type = "integer", min = 0, max = 20,
    help = "how often a change that fails goes back with the reason (2)" },
  { name = "revise_on_crash", type = "integer", min = 0, max = 20,
    help = "how often a change whose program crashes goes back (0)" },
  { name = "ideas_per_call", type = "integer", min = 1, max = 100, help = "ideas asked for in one call (10)" },
  { name = "budget", type = "string", meta = "LIMITS", help = 'what it may spend: "cost=20 tokens=5M calls=2000 gpu_hours=8 jobs=500 wall=8h", any of them' },
  { name = "patience", type = "string", meta = "TIME", help = "how long a model may not answer before the study stops (6h)" },
  { name = "concurrency", type = "integer", min = 1, meta = "N", help = "requests in flight at a model's endpoint (256)" },
  { name = "rpm", type = "integer", min = 1, meta = "N", help = "requests a minute at a model's endpoint" },
  { name = "tpm", type = "integer", min = 1, meta = "N", help = "tokens a minute at a model's endpoint" },
}
for _, o in ipairs(MODELS) do
  o.models = true
  COMMON[#COMMON + 1] = o
end

return COMMON
