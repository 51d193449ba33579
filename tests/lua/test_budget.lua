-- Budgets: how a limit is read, when something may begin, what people see of it.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local budgets = require("erlua.budget")

t.test("a budget names any of its limits, with spaces or commas between", function()
  t.eq(budgets.parse("cost=20 tokens=5M calls=2000 gpu_hours=8 jobs=500 wall=8h"),
    { cost = 20, tokens = 5e6, calls = 2000, gpu_hours = 8, jobs = 500, wall = 28800 })
  t.eq(budgets.parse("cost=$0.5,calls=2k,wall=1h30m"), { cost = 0.5, calls = 2000, wall = 5400 })
  t.eq(budgets.parse(nil), {})
  t.eq(budgets.parse(""), {})
end)

t.test("a budget that cannot be read says what is wrong and what would be right", function()
  local function refused(s, pattern)
    local limits, message = budgets.parse(s)
    t.eq(limits, nil, s)
    t.match(message, "^%-%-budget: ")
    t.match(message, pattern)
  end
  refused("20", "'20' is not NAME=AMOUNT, such as cost=20")
  refused("costs=20", "no 'costs'; did you mean cost%?")
  refused("euros=20", "there are cost, tokens, calls, gpu_hours, jobs, wall")
  refused("cost=much", "wants dollars, as cost=20, but got 'much'")
  refused("cost=-1", "wants dollars")
  refused("cost=inf", "wants dollars")
  refused("cost=nan", "wants dollars")
  refused("tokens=5X", "wants a number such as tokens=5M")
  refused("wall=8", "wants a time such as wall=8h")
  refused("calls=1 calls=2", "given twice")
  refused("\27[31m=1", "is not NAME=AMOUNT")
end)

t.test("what is open counts by its estimate until it has ended with what it came to", function()
  local b = budgets.new { cost = 1, calls = 3 }
  t.eq(b:refuses { cost = 0.6, calls = 1 }, nil)
  b:begin { cost = 0.6, calls = 1 }
  t.eq({ b:refuses { cost = 0.6, calls = 1 } }, { "later", "cost" }, "as long as the first is open")
  t.eq(b:refuses { cost = 0.4, calls = 1 }, nil)
  b:finish({ cost = 0.6, calls = 1 }, { cost = 0.1, calls = 1 })
  t.eq(b:refuses { cost = 0.6, calls = 1 }, nil, "it was cheaper")
  b:spend { cost = 0.5, calls = 1 }
  t.eq({ b:refuses { cost = 0.6, calls = 1 } }, { "spent", "cost" })
  b:spend { calls = 1 }
  t.eq({ b:refuses { cost = 0.1, calls = 1 } }, { "spent", "calls" })
end)

t.test("without limits nothing is refused", function()
  local b = budgets.new()
  b:spend { cost = 1e6, tokens = 1e12, calls = 1e9 }
  t.eq(b:refuses { cost = 1e6, tokens = 1e12, calls = 1 }, nil)
end)

t.test("the progress line shows what was spent, and of how much where there is a limit", function()
  local b = budgets.new()
  t.eq(b:line(), nil)
  b:spend { calls = 412, cost = 3.1234, tokens = 1 }
  t.eq(b:line(), "$3.12  412 calls")
  b = budgets.new { cost = 20, tokens = 5e6, calls = 2000, jobs = 500, gpu_hours = 8, wall = 28800 }
  b:spend { calls = 1, cost = 0.012, tokens = 1234567, jobs = 1, gpu_hours = 0.25, wall = 61 }
  t.eq(b:line(), "$0.0120/20  1.23M tokens/5M  1 call/2k  0.25 GPU-hours/8  1 job/500  1m01s/8h00m")
  b = budgets.new { gpu_hours = 0.5 }
  b:spend { gpu_hours = 0.125 }
  t.eq(b:line(), "0.125 GPU-hours/0.5")
end)

t.test("a spent budget says how much was spent, what would come next and what to do", function()
  local b = budgets.new { cost = 1 }
  b:spend { cost = 0.9, calls = 1 }
  t.eq(b:spent_message("cost", 0.25), "the budget is spent: $0.90 of $1.00; another call may take $0.25. Raise --budget and go on")
  b:spend { cost = 0.2 }
  t.eq(b:spent_message("cost", 0.25), "the budget is spent: $1.10 of $1.00. Raise --budget and go on")
end)

return t
