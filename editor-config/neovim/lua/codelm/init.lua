-- codelm in Neovim: what is done when the server is attached, what keys may be mapped to, and how it is.

local ghost_text = require("codelm.ghost_text")

local M = {}

-- Your choice, in init.lua: vim.g.codelm = { menu = false, ghost_text = false, keys = { accept = "<Tab>" } }
local DEFAULTS = { menu = true, ghost_text = true, keys = {} }

function M.options()
  return vim.tbl_deep_extend("force", DEFAULTS, vim.g.codelm or {})
end

M.accept, M.accept_word = ghost_text.accept, ghost_text.accept_word
M.next, M.previous = ghost_text.next, ghost_text.previous

local ACTIONS = {
  accept = "Accept ghost text",
  accept_word = "Accept a word of ghost text",
  next = "Next ghost text",
  previous = "Previous ghost text",
}

-- What a key did before it was mapped here, as keys to be typed in its place; the key itself where it was not mapped.
local function before(key, bufnr)
  local old = vim.api.nvim_buf_call(bufnr, function()
    return vim.fn.maparg(key, "i", false, true)
  end)
  if vim.tbl_isempty(old) then
    return function()
      return vim.keycode(key)
    end, "n"
  end
  return function()
    if old.callback then
      local keys = old.callback()
      return old.expr == 1 and keys and (old.replace_keycodes == 1 and vim.keycode(keys) or keys) or ""
    end
    local keys = old.expr == 1 and vim.api.nvim_eval(old.rhs) or old.rhs
    return vim.keycode(keys)
  end, old.noremap == 1 and "n" or "m"
end

-- Map a key in insert mode, in one buffer, to one of the actions. Where that finds nothing to do, the key does what it did.
function M.map(key, action, bufnr)
  local act = assert(ACTIONS[action] and M[action], "codelm has no action " .. tostring(action))
  local fallback, mode = before(key, bufnr)
  vim.keymap.set("i", key, function()
    if not act() then
      local keys = fallback()
      if keys ~= "" then
        vim.api.nvim_feedkeys(keys, mode .. "i", false) -- before the keys that were typed since
      end
    end
  end, { buffer = bufnr, desc = "codelm: " .. ACTIONS[action] })
end

function M.attach(client, bufnr)
  local options = M.options()
  if options.menu then
    require("codelm.menu").enable(client, bufnr)
  end
  if options.ghost_text and ghost_text.available() then
    ghost_text.enable(client)
  end
  if not vim.b[bufnr].codelm_mapped then
    vim.b[bufnr].codelm_mapped = true
    for action, key in pairs(options.keys) do
      M.map(key, action, bufnr)
    end
  end
end

-- The clients that run, and what each told of itself last.
local statuses = {}

function M.clients()
  return vim.lsp.get_clients({ name = "codelm" })
end

function M.told(client_id, status)
  statuses[client_id] = status
  vim.cmd.redrawstatus()
end

-- What the server told of itself last; nil where none runs, or it has not said anything yet.
function M.last_status()
  for _, client in ipairs(M.clients()) do
    if statuses[client.id] then
      return statuses[client.id]
    end
  end
end

-- For your status line: %{v:lua.require'codelm'.status()}
function M.status()
  local status = M.last_status()
  if not status then
    return ""
  end
  if status.model.state == "failed" then
    return "codelm: no model"
  elseif not status.enabled then
    return "codelm: off"
  elseif status.paused then
    return "codelm: paused"
  elseif status.model.state == "loading" then
    return "codelm …"
  elseif status.workspace.state == "reading" and status.workspace.total > 0 then
    return ("codelm %d%%"):format(math.floor(100 * status.workspace.done / status.workspace.total))
  end
  return "codelm"
end

return M
