-- Shared by the scripts that answer with tasks to act on.

-- Adds the fields of DUE to a flat list: the id, `state` (which are DUE_FIELDS), and the entry of a running attempt.
local function append_due(answers, id, state, running)
  local size = #answers
  answers[size + 1] = id
  for field = 1, #DUE_FIELDS do
    answers[size + 1 + field] = state[field]
  end
  answers[size + DUE.size] = running
end
