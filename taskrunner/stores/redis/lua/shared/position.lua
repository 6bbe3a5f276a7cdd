-- Shared by the scripts that answer with a page of a sorted set, the highest score first.

-- Redis sorts members of one score by their bytes; Lua's own < goes by the server's locale.
local function sorts_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

-- The rank of the first entry behind this place, whether or not there is still one at the place.
local function position(set, score, member)
  local low, high = call('ZCOUNT', set, '(' .. score, '+inf'), call('ZCOUNT', set, score, '+inf')
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sorts_before(call('ZREVRANGE', set, middle, middle)[1], member) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
