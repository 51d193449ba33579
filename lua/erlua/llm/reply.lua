-- llm/reply.lua - a reply while it arrives: its text and its thinking, kept apart, also
-- where a model writes its thinking into the text between <think> and </think>.

local M = {}

local OPEN = { "<think>", "<thinking>" }

local Reply = {}
Reply.__index = Reply

---@param hooks {started: function?, text: fun(delta: string)?}
---@param tags? boolean  look for a leading <think> block
function M.new(hooks, tags)
  return setmetatable({ hooks = hooks, tags = tags, state = tags and "start" or "text", rest = "",
    pieces = {}, thoughts = {}, refusals = {} }, Reply)
end

function Reply:began()
  if self.started then return end
  self.started = true
  if self.hooks.started then self.hooks.started() end
end

local function add(list, s) list[#list + 1] = s end

local function visible(self, s)
  if s == "" then return end
  add(self.pieces, s)
  if self.hooks.text then self.hooks.text(s) end
end

-- Nothing but space so far, or the beginning of an opening tag.
local function at_start(self, s)
  local rest = s:match("^%s*(.*)$")
  for _, tag in ipairs(OPEN) do
    if rest:sub(1, #tag) == tag then
      self.state, self.close = "inside", tag:gsub("<", "</")
      return rest:sub(#tag + 1)
    end
    if #rest < #tag and tag:sub(1, #rest) == rest then
      self.rest = s
      return nil
    end
  end
  self.state = "text"
  return s
end

-- The end of what is known stays back as long as it may be the beginning of the closing tag.
local function inside(self, s)
  local from, to = s:find(self.close, 1, true)
  if from then
    add(self.thoughts, s:sub(1, from - 1))
    self.state = "behind"
    return s:sub(to + 1)
  end
  local keep = 0
  for n = math.min(#self.close - 1, #s), 1, -1 do
    if s:sub(-n) == self.close:sub(1, n) then keep = n break end
  end
  add(self.thoughts, s:sub(1, #s - keep))
  self.rest = keep > 0 and s:sub(-keep) or ""
  return nil
end

-- The answer begins at its first character that is no space.
local function behind(self, s)
  s = s:gsub("^%s+", "")
  if s ~= "" then self.state = "text" end
  return s ~= "" and s or nil
end

local STEP = { start = at_start, inside = inside, behind = behind }

---Takes the next part of the text.
---@param s string
function Reply:text(s)
  if s == "" then return end
  self:began()
  if self.rest ~= "" then s, self.rest = self.rest .. s, "" end
  while s and self.state ~= "text" do s = STEP[self.state](self, s) end
  if s then visible(self, s) end
end

---Takes the next part of thinking that came apart from the text.
function Reply:thinking(s)
  if s == "" then return end
  self:began()
  add(self.thoughts, s)
end

---Takes the next part of a refusal: something has arrived, but nothing that other samples wait for.
function Reply:refuse(s)
  if s == "" then return end
  self.started = true
  add(self.refusals, s)
end

-- Templates of some models open the block in the prompt: then only its end is in the reply.
local function closed_alone(text)
  local from, to = text:find("</think>", 1, true)
  if not from or text:sub(1, from):find("<think>", 1, true) then return nil end
  return text:sub(1, from - 1), (text:sub(to + 1):gsub("^%s+", ""))
end

---What has arrived so far; a block that was never closed is all thinking.
---@return string text
---@return string thinking
---@return string|nil refusal
function Reply:parts()
  local rest = self.rest
  local text, thinking = table.concat(self.pieces), table.concat(self.thoughts)
  if self.state == "start" then text = text .. rest elseif self.state == "inside" then thinking = thinking .. rest end
  if self.tags and thinking == "" then
    local before, after = closed_alone(text)
    if before then text, thinking = after, before end
  end
  return text, thinking, self.refusals[1] and table.concat(self.refusals) or nil
end

return M
