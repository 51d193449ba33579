---@meta
-- types.lua - what erlua's objects hold, and the public functions that are written in C,
-- for editors that read LuaCATS comments.  Nothing loads this file.

---@class erlua.idea
---@field id integer  its number, and that of its trial
---@field epoch integer  which call of study:propose it came from
---@field text string  in words
---@field reply string  a model's reply that holds its change; "" if an implementer is to make it
---@field prompt "first"|"explore"|"exploit"|"own"|"baseline"
---@field model string
---@field parents integer[]  numbers of trials
---@field missing string|nil  why there is no idea

---@class erlua.trial
---@field id integer
---@field epoch integer
---@field idea string  in words
---@field prompt string
---@field parents integer[]
---@field outcome string|nil  "ok", "crash", …; nil while it runs
---@field stage "propose"|"patch"|"check"|"train"|"evaluate"
---@field reason string
---@field reward number|nil  higher is better
---@field metrics table<string, any>|nil
---@field patch string|nil  digest of its diff
---@field wall_s number
---@field implementer string|nil  who made its change
---@field host string|nil  the machine where it ran
---@field trusted boolean  false: scored outside the sandbox
---@field review string|nil  why a person should look at its score

---@class erlua.verdict
---@field trial erlua.trial
---@field confirmed boolean
---@field outcome string  "ok", or how a run failed
---@field stage string|nil  of a run that failed
---@field reason string|nil
---@field host string
---@field seeds integer[]
---@field rewards number[]|nil  of the fresh runs; nil if one failed
---@field mean number|nil
---@field sd number|nil
---@field difference number|nil  from the mean of the baseline's runs
---@field standard_error number|nil  of the difference
---@field degrees number|nil  of freedom
---@field baseline {n: integer, failed: integer, rewards: number[], mean: number?, sd: number?, bar: number?}

---@class erlua.selection
---@field ids integer[]
---@field rewards number[]
---@operator len: integer

---@class erlua.study
---@field dir string
---@field env erlua.env
---@field opt table
---@field epoch integer
---@field how "new"|"resumed"|"replayed"
---@field ideator erlua.ensemble
---@field implementer erlua.ensemble|nil
---@field prompts table<string, string>|nil  the templates, with a language model

---@class erlua.ensemble
---@field spec string
---@field members {spec: string, weight: number, model: erlua.llm, won: integer, lost: integer}[]

---@class erlua.env
---@field name string
---@field files table<string, string>  path -> bytes
---@field pristine table<string, string>  the editable ones
---@field frozen_files string[]
---@field data_files string[]
---@field limits table<string, number>  seconds and bytes
---@field budget {seconds: number, cpu: boolean}|nil
---@field inputs {text: string?, prepare: string[]?, folder: string?, get: string?}|nil
---@field big table<string, {source: string, digest: string, size: integer}>  files that are not held in memory
---@field metric string
---@field direction "min"|"max"
---@field digest string

---@class erlua.request
---@field prompt string|nil  or messages
---@field messages {role: "user"|"assistant"|"system", content: string|table}[]|nil
---@field system string|table|nil
---@field max_tokens integer|nil  of the reply with its thinking (16,000)
---@field thinking "low"|"medium"|"high"|"xhigh"|"max"|integer|boolean|nil
---@field temperature number|nil
---@field top_p number|nil
---@field seed integer|nil
---@field stop string|string[]|nil
---@field json boolean|table|nil  true, or a JSON schema
---@field n integer|nil  so many replies, as a list
---@field timeout number|nil  seconds of one request
---@field stream boolean|nil  false: in one piece
---@field on_text fun(delta: string)|nil

---@class erlua.usage
---@field input integer  tokens; without those of the cache
---@field cache_read integer
---@field cache_write integer
---@field output integer  with the thinking in it
---@field thinking integer
---@field estimated boolean  nobody counted

---@class erlua.reply
---@field text string
---@field thinking string
---@field stop_reason "end"|"stop"
---@field usage erlua.usage
---@field cost number|nil  dollars; nil: unknown
---@field model string
---@field latency number  seconds
---@field attempts integer  requests

---@class erlua.llm
---@field spec string
---@field provider "anthropic"|"openai"|"builtin"
---@field name string
---@field endpoint string
---@field fallback erlua.llm|nil
local llm = {}

---Asks once, through limits, retries and budget.
---@param request string|erlua.request
---@return erlua.reply|erlua.reply[]|nil
---@return string? message
---@return string? code
function llm:chat(request) end

---Asks n times; the replies as they come.
---@param request string|erlua.request
---@param n integer
---@return fun(): integer, erlua.reply?, string?, string?
function llm:samples(request, n) end

---@class erlua.job

---@class erlua.task
local task = {}

---Waits for its end.
---@return boolean ok
---@return any ...  its results, or the error
function task:wait() end

---Raises "cancelled" at its wait, and at each later one.
function task:cancel() end

---@return boolean  has it ended?
function task:done() end

---@class erlua.optimizer
---@field lr number  of groups that have none of their own
---@field lr_factor number  times the rate of every group
---@field groups table[]  { params = {...}, lr = …, … }
local optimizer = {}

---Changes the parameters that have a gradient.
function optimizer:step() end

---Forgets all gradients.
function optimizer:zero_grad() end

---@return table<string, erlua.tensor>
function optimizer:state_dict() end

---@param dict table<string, erlua.tensor>
function optimizer:load_state_dict(dict) end

---@class erlua.box
local box = {}

---@return any  a copy of what the chunk returned; functions as "function"
function box:value() end

---Calls a function of the value.
---@param name string|nil  its field; nil: the value itself
---@param argument any
---@return any result
---@return string? message
---@return string? code
function box:call(name, argument) end

---@class erlua.model_state  a model that is not trusted, in a state of its own
local model_state = {}

---@param name string  a function of the model's table
---@param text string
---@return true|nil ok
---@return string? message
---@return string? code
function model_state:call(name, text) end

---@param ids erlua.tensor  i32, (windows, positions)
---@param vocabulary integer
---@return erlua.tensor|nil logits
---@return string? message
---@return string? code
function model_state:logits(ids, vocabulary) end

---@param ids erlua.tensor  i32, (windows, positions)
---@param targets erlua.tensor  of the same shape, which the model does not get
---@param vocabulary integer
---@return erlua.losses|nil losses
---@return string? message
---@return string? code
function model_state:losses(ids, targets, vocabulary) end

---@return {seconds: number, numbers: integer, text: integer}
function model_state:used() end

function model_state:close() end

---@class erlua.losses  (windows, positions) in nats, f64, that do not change
local losses = {}

---@return number[][]
function losses:tolist() end

---@return number
function losses:sum() end

---@param w integer
---@return erlua.losses  of that window alone
function losses:window(w) end

---@param others erlua.losses  of as many windows and positions
---@param far number  nats
---@param first integer  position in each window
---@param last integer
---@return number sum  of the distances
---@return integer above  how many are above `far`
function losses:changes(others, far, first, last) end

local erlua = { json = {} }

---Runs a program that you trust, outside of any sandbox.
---@param argv {[integer]: string, stdin: string?, cwd: string?, timeout: number?}  timeout in seconds (60)
---@return {code: integer, signal: integer, stdout: string, stderr: string, timed_out: boolean}|nil
---@return string? message
---@return string? code
function erlua.exec(argv) end

---Runs a chunk in a Lua state that can only compute.
---@param source string
---@param name string  for messages, "@env.lua"
---@param memory? integer  bytes (16 MB)
---@param steps? integer  VM instructions, of the chunk and of each call (10 million)
---@return erlua.box|nil
---@return string? message
---@return string? code
function erlua.restricted(source, name, memory, steps) end

---@param value any
---@return string text  sorted keys, shortest digits
function erlua.json.encode(value) end

---@param text string
---@return any value
---@return string? message
---@return string? code
function erlua.json.decode(text) end

---As decode, for what others wrote carelessly.
---@param text string
---@return any value
---@return integer|string count  of the places that were mended, or the message
---@return string? code
function erlua.json.mend(text) end

---@param text string
---@return string text  each bad byte as U+FFFD
function erlua.json.utf8(text) end

---Marks a table to be written as an object even if it is empty.
---@generic T: table
---@param t T
---@return T
function erlua.json.object(t) end

---@class erlua.tokenizer  from erlua.data.tokenizer
---@field vocab_size integer  ids are below it
---@field eot integer?  <|endoftext|>
local Tokenizer = {}

---@param text string
---@param options? {special: boolean?}  are tokens such as <|endoftext|> in the text these tokens?
---@return erlua.tensor ids  u16, or i32 where the vocabulary is larger
function Tokenizer:encode(text, options) end

---@param ids erlua.tensor|integer[]|integer
---@return string|nil text
---@return string? message
---@return string? code
function Tokenizer:decode(ids) end

---@param token string
---@return integer|nil id
function Tokenizer:id(token) end
