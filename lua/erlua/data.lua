-- data.lua - token ids: shards in llm.c's format and batches from them, texts, tokenizers.

local core = require("erlua.core.model")
local fs = require("erlua.core.fs")
local shards = require("erlua.data_shards")

local M = {}

local MOST_TEXT = 1 << 30

---Opens shards and hands out batches of windows of `length` tokens: in order without a seed, each window once
---an epoch; with a seed at random places, drawn so that draw i is known without those before it.
---@param files string|integer|(string|integer)[]  a glob, a path, an open descriptor, or a list of them
---@param options {batch: integer, length: integer, seed: integer?, rank: integer?, world: integer?, vocab: integer?}
---@return erlua.loader|nil loader  loader:next() -> inputs, targets | nil, message, code
---@return string? message
---@return string? code
M.shards = shards.open

---Writes token ids as a shard, whole or not at all.
---@param path string
---@param ids erlua.tensor  of one dim and whole numbers, 0 to 65535
---@return true|nil
---@return string? message
---@return string? code
M.write_shard = core.write_shard

---Reads the ids of a shard.
---@param path string|integer  or the number of an open descriptor
---@param options? {first: integer?, count: integer?, vocab: integer?}  first counts from 0
---@return erlua.tensor|nil ids  u16
---@return string? message
---@return string? code
function M.read_shard(path, options)
  local opt = options or {}
  for name in pairs(opt) do
    if name ~= "first" and name ~= "count" and name ~= "vocab" then
      error("data.read_shard: there is no option '" .. tostring(name) .. "'", 2)
    end
  end
  local shard <close>, message, code = core.shard(path)
  if not shard then return nil, message, code end
  return shard:read(opt.first, opt.count, opt.vocab)
end

local GPT2_SIZE = 50257

---A tokenizer: "byte" (256 ids), or one from files: "gpt2", or "bpe" for any that is understood.
---@param name "byte"|"gpt2"|"bpe"
---@param options? {vocab: string}  tokenizer.json, vocab.json beside merges.txt, llm.c's .bin, or their folder
---@return erlua.tokenizer|nil tokenizer  :encode(text) -> ids, :decode(ids) -> text, :id(token), .vocab_size, .eot
---@return string? message
---@return string? code
function M.tokenizer(name, options)
  if name == "byte" then return core.tokenizer() end
  if name ~= "gpt2" and name ~= "bpe" then
    error("data.tokenizer: there is no tokenizer '" .. tostring(name) .. "'; there are byte, gpt2 and bpe", 2)
  end
  local path = options and options.vocab
  if type(path) ~= "string" then
    error("data.tokenizer: '" .. name .. "' needs the option vocab, the path of its file", 2)
  end
  local tokenizer, message, code = core.tokenizer(path)
  if tokenizer and name == "gpt2" and tokenizer.vocab_size ~= GPT2_SIZE then
    return nil, ("%s has %d tokens, and GPT-2 has %d; other tokenizers are opened as \"bpe\""):format(path,
      tokenizer.vocab_size,
      GPT2_SIZE), "format"
  end
  return tokenizer, message, code
end

---The ids of a text file.
---@param path string
---@param tokenizer? erlua.tokenizer  bytes unless told
---@return erlua.tensor|nil ids
---@return string? message
---@return string? code
function M.text(path, tokenizer)
  local text, message, code = fs.read(path, MOST_TEXT)
  if not text then return nil, message, code end
  return (tokenizer or core.tokenizer()):encode(text)
end

return M
