-- llm/error_body.lua - what the body of an error says.  They come in many shapes: {"error": {…}},
-- {"error": "text"}, {"detail": …}, {"message": …}, an HTML page, nothing at all.

local json = require("erlua.json")

local M = {}

-- The text of an HTML page: its title, or what is left without its tags.
local function page(body)
  local title = body:match("<[Tt][Ii][Tt][Ll][Ee][^>]*>(.-)</")
  local s = title or body:gsub("<script.-</script>", " "):gsub("<style.-</style>", " "):gsub("<[^>]*>", " ")
  return "an HTML page: " .. s
end

local function words(v)
  if type(v) == "string" then return v end
  if type(v) == "number" then return string.format("%.0f", v) end
  return nil
end

---A text, or a number as one; nil for anything else.
M.words = words

-- {"detail": [{"loc": ["body", "seed"], "msg": "…"}]}, as FastAPI refuses a field.
local function validation(list)
  local said, where = {}, nil
  for i, item in ipairs(list) do
    if type(item) == "table" and i <= 5 then
      local loc = type(item.loc) == "table" and item.loc or {}
      local path = {}
      for _, part in ipairs(loc) do path[#path + 1] = words(part) end
      where = where or words(loc[2])
      said[#said + 1] = table.concat(path, ".") .. ": " .. (words(item.msg) or "?")
    end
  end
  return table.concat(said, "; "), where
end

-- The first text that an error object offers for its message.
local function message_of(e)
  if type(e) == "string" then return e end
  if type(e) ~= "table" then return nil end
  local raw = type(e.metadata) == "table" and words(e.metadata.raw)    -- OpenRouter: what its own provider said
  local said = words(e.message) or words(e.msg) or words(e.error) or words(e.detail) or words(e.error_description)
  if said and raw then return said .. ": " .. raw end
  return said or raw
end

---What the body of an error says.
---@param body string|table  as it came, or decoded
---@return {message: string, type: string?, code: string?, param: string?, status: integer?, object: table?}
function M.parse(body)
  local v = body
  if type(body) == "string" then
    if body:find("^%s*<") then return { message = page(json.utf8(body)) } end
    v = json.mend(body)
    if type(v) ~= "table" then return { message = type(v) == "string" and v or json.utf8(body) } end
  end
  local e = v.error
  if type(e) ~= "table" and type(e) ~= "string" then e = v end
  local said = message_of(e)
  if not said and type(v.errors) == "table" then said = message_of(v.errors[1]) end
  local out = { message = said or "", object = type(e) == "table" and e or nil }
  if type(v.detail) == "table" then
    if v.detail[1] then out.message, out.param = validation(v.detail) else out.message = message_of(v.detail) or "" end
  end
  if type(e) == "table" then
    out.type, out.param = words(e.type), words(e.param) or out.param
    local details = type(e.details) == "table" and words(e.details.error_code)
    out.code = details or words(e.code)
    out.status = math.type(e.code) and math.tointeger(e.code) or math.type(e.status) and math.tointeger(e.status) or nil
  end
  if out.message == "" then out.message = json.utf8(type(body) == "string" and body or json.encode(body)) end
  return out
end

return M
