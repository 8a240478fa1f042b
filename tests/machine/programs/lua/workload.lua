-- A workload for Lua: strings, tables, closures, coroutines, garbage, io and os, in the folder that the
-- first argument names. What it prints is the same on any system.
local folder = assert(arg[1], "a folder")

local function mixed(list)
   local hash = 17
   for _, value in ipairs(list) do
      hash = (hash * 31 + value) & 0xffffffff
   end
   return hash
end

local function strings()
   local parts = {}
   for i = 1, 20000 do
      parts[#parts + 1] = string.format("%05d:%x:%q", i, i * i, "s" .. i % 7)
   end
   local text = table.concat(parts, ",")
   local words = 0
   for _ in text:gmatch("%d+:%x+") do
      words = words + 1
   end
   print("strings", #text, words, text:find("00777", 1, true), select(2, text:gsub('"s3"', "<%0>")))
   print(("%s|%10.3f|%-8s|%g|%i"):format("a", math.pi, "b", 1e100, 42), ("x"):rep(3, "-"), ("abc"):reverse():upper())
   print(string.pack("<i4>I2z", -5, 513, "zero"):byte(1, -1))
   print(utf8.char(228, 8364, 128512), utf8.len("äö€"), #"äö€")
end

local function tables()
   local state, numbers = 42, {}
   for i = 1, 50000 do
      state = (state * 1103515245 + 12345) & 0x7fffffff
      numbers[i] = state
   end
   table.sort(numbers, function(a, b) return a > b end)
   print("sorted", mixed(numbers), numbers[1] >= numbers[2])
   local weak = setmetatable({}, {__mode = "k"})
   for i = 1, 1000 do
      weak[{}] = i
   end
   collectgarbage()
   print("weak", next(weak))
   local class = {}
   class.__index = class
   class.__add = function(a, b) return setmetatable({x = a.x + b.x}, class) end
   class.__eq = function(a, b) return a.x == b.x end
   class.__close = function() print("closed") end
   local one = setmetatable({x = 1}, class)
   do
      local scoped <close> = one + one
      print("metatables", scoped.x, one == setmetatable({x = 1}, class))
   end
   print(table.unpack(table.move({1, 2, 3}, 1, 3, 2, {9})))
end

local function coroutines()
   local function tree(depth)
      if depth > 0 then
         tree(depth - 1)
         coroutine.yield(depth)
         tree(depth - 1)
      end
   end
   local sum, count = 0, 0
   for value in coroutine.wrap(function() tree(14) end) do
      sum, count = sum + value, count + 1
   end
   print("coroutines", sum, count)
   local crowd = {}
   for i = 1, 2000 do
      crowd[i] = coroutine.create(function(x)
         while true do
            x = coroutine.yield(x + i)
         end
      end)
   end
   local total = 0
   for round = 1, 10 do
      for i = 1, #crowd do
         total = total + select(2, coroutine.resume(crowd[i], round))
      end
   end
   print("crowd", total, coroutine.status(crowd[1]))
   print(select(2, coroutine.resume(coroutine.create(function() error({code = 5}) end))).code)
end

local function garbage()
   local ended = 0
   for round = 1, 30 do
      local list = {}
      for i = 1, 3000 do
         list[i] = setmetatable({tostring(i), {i}}, {__gc = function() ended = ended + 1 end})
      end
   end
   collectgarbage("generational")
   for i = 1, 200000 do
      local _ = {i}
   end
   collectgarbage("incremental")
   collectgarbage()
   collectgarbage()
   print("garbage", ended, collectgarbage("count") < 50000)
end

local function files()
   local name = folder .. "/lines.txt"
   local file = assert(io.open(name, "w"))
   file:setvbuf("full", 4096)
   for i = 1, 5000 do
      file:write(i, "\t", i * 0.5, "\n")
   end
   file:close()
   local lines, sum = 0, 0.0
   for line in io.lines(name) do
      local n, half = line:match("(%d+)\t([%d.]+)")
      lines, sum = lines + 1, sum + tonumber(n) * tonumber(half)
   end
   print("lines", lines, sum)
   file = assert(io.open(name, "r+b"))
   print(file:seek("end"), file:seek("set", 10), #file:read(7), file:read("n", "l", "L"))
   file:seek("set", 100)
   file:write("OVER")
   file:close()
   print(io.open(folder .. "/not/there") == nil, select(3, io.open(folder .. "/not/there")))
   print(os.rename(name, folder .. "/renamed.txt"), os.remove(folder .. "/gone") == nil)
   local temporary = os.tmpname()
   print(os.remove(temporary))
   local scratch = io.tmpfile()
   scratch:write("scratch")
   scratch:seek("set")
   print(scratch:read("a"))
   scratch:close()
   print(#io.read("a"), os.getenv("ONE"), os.getenv("NOT_SET"))
   print(os.date("!%Y-%m-%d %H:%M:%S", 86400 * 365), os.time({year = 2026, month = 11, day = 22, hour = 12}) > 0)
   -- No other processes in an instance: nil or a failure, never a crash.
   io.stderr:write("a command: ", tostring(os.execute("true")), "\n")
   local chunk = assert(load("local a, b = ... return a * b"))
   print(chunk(6, 7), load("this is not Lua"))
   local code = assert(io.open(folder .. "/module.lua", "w"))
   code:write("return {answer = 42}\n")
   code:close()
   package.path = folder .. "/?.lua"
   print(require("module").answer, pcall(require, "no.such.module") == false)
end

local function deep(n)
   return n == 0 and 0 or 1 + deep(n - 1)
end

strings()
tables()
coroutines()
garbage()
files()
print("deep", deep(15000), pcall(deep, 1e7) == false)
print(pcall(error, "an error", 0))
local before = os.clock()
local x = 0.0
for i = 1, 3000000 do
   x = x + math.sin(i) * i % 7
end
print(("%.6f"):format(x), os.clock() >= before)
io.stdout:flush()
os.exit(arg[2] and tonumber(arg[2]) or 0, true)
