-- :Codelm …

local M = {}

local function fail(message)
  vim.notify("codelm: " .. message, vim.log.levels.ERROR)
end

local function execute(command, arguments, done)
  local client = require("codelm").clients()[1]
  if not client then
    return fail("no server runs; open a Python file")
  end
  client:request("workspace/executeCommand", { command = command, arguments = arguments }, function(err, result)
    if err then
      fail(err.message)
    elseif done then
      done(result)
    end
  end, 0)
end

local function lines_of(status)
  local model, network, workspace = status.model, status.network, status.workspace
  local lines = { "codelm " .. status.version .. (status.paused and ", paused" or "") .. (status.enabled and "" or ", off") }
  table.insert(lines, ("model: %s (%s) %s"):format(model.name, model.state, model.problem))
  table.insert(lines, ("network: %s %s %s"):format(network.state, network.device, network.problem))
  table.insert(
    lines,
    workspace.state == "reading" and ("workspace: reading %d of %d files"):format(workspace.done, workspace.total)
      or ("workspace: %s, %d words of %d files"):format(workspace.state, workspace.words, workspace.files)
  )
  return lines
end

local function restart()
  local clients = require("codelm").clients()
  vim.lsp.enable("codelm", false)
  for _, client in ipairs(clients) do
    client:stop()
  end
  local stopped = vim.wait(5000, function()
    return #require("codelm").clients() == 0
  end, 20)
  if not stopped then
    for _, client in ipairs(require("codelm").clients()) do
      client:stop(true)
    end
  end
  vim.lsp.enable("codelm", true)
end

local function about(command, known, default)
  return {
    known = known,
    run = function(what)
      what = what or default
      execute(command, what == "file" and { what, vim.uri_from_bufnr(0) } or { what })
    end,
  }
end

local SUBCOMMANDS = {
  status = {
    run = function()
      execute("codelm.status", {}, function(status)
        vim.notify(table.concat(lines_of(status), "\n"))
      end)
    end,
  },
  pause = {
    run = function()
      execute("codelm.pause", {})
    end,
  },
  resume = {
    run = function()
      execute("codelm.resume", {})
    end,
  },
  restart = { run = restart },
  statistics = {
    run = function()
      execute("codelm.statistics", {}, function(counted)
        local lines = { ("kept in %s%s"):format(counted.file, counted.enabled and "" or " (not counted now)") }
        local days = vim.tbl_keys(counted.days)
        table.sort(days)
        for _, day in ipairs(days) do
          for kind, count in pairs(counted.days[day]) do
            table.insert(lines, ("%s %s: %d accepted, %d characters"):format(day, kind, count.accepted, count.characters))
          end
        end
        vim.notify(table.concat(lines, "\n"))
      end)
    end,
  },
  log = {
    run = function()
      vim.cmd.tabedit(vim.lsp.log.get_filename and vim.lsp.log.get_filename() or vim.lsp.get_log_path())
    end,
  },
  forget = about("codelm.forget", { "file", "workspace", "all" }, "file"),
  learn = about("codelm.learn", { "file", "workspace" }, "workspace"),
}

function M.run(given)
  local name, what = given.fargs[1] or "status", given.fargs[2]
  local subcommand = SUBCOMMANDS[name]
  if not subcommand then
    local names = vim.tbl_keys(SUBCOMMANDS)
    table.sort(names)
    return fail(":Codelm takes " .. table.concat(names, ", "))
  end
  subcommand.run(what)
end

function M.complete(lead, line)
  local words = vim.split(line, "%s+")
  local found = #words <= 2 and vim.tbl_keys(SUBCOMMANDS) or (SUBCOMMANDS[words[2]] or {}).known or {}
  table.sort(found)
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, found)
end

return M
