-- Shared by the scripts that answer with schedules.

-- Adds the fields of SCHEDULE for each name. A schedule that is gone leaves its entries in the sets and is skipped.
local function add_schedules(answers, names)
  for _, name in ipairs(names) do
    local state = call('HMGET', SCHEDULE_KEY .. name, unpack(SCHEDULE_FIELDS))
    if state[SCHEDULE.version] then
      answers[#answers + 1] = { name, unpack(state) }
    end
  end
  return answers
end
