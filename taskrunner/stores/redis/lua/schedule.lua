-- Shared by the scripts that answer with schedules.

-- Adds name, version, body and next slot of each; one that is gone leaves its lines in the sets, and is passed over.
local function add_schedules(answers, names)
  for _, name in ipairs(names) do
    local state = call('HMGET', SCHEDULE .. name, 'version', 'body', 'next')
    if state[1] then
      answers[#answers + 1] = { name, state[1], state[2], state[3] }
    end
  end
  return answers
end
