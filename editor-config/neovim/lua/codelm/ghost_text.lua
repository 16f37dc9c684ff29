-- Ghost text: Neovim 0.12 shows it; here it is accepted, whole or a word at a time.

local M = {}

-- Whether this Neovim can show it.
function M.available()
  return vim.lsp.inline_completion ~= nil
end

function M.enable(client)
  vim.lsp.inline_completion.enable(true, { client_id = client.id }) -- of codelm alone
end

-- The next word of a text, with the blanks before it: letters and digits, or else signs of one kind.
function M.first_word(text)
  return text:match("^%s*[%w_\128-\255]+") or text:match("^%s*[^%w_%s\128-\255]+") or text
end

-- All of these return whether there was anything to do it with.

function M.accept()
  return M.available() and vim.lsp.inline_completion.get()
end

local function insert_first_word(item)
  local text = type(item.insert_text) == "string" and item.insert_text or item.insert_text.value
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local typed = ""
  if item.range then
    local _, begin = item.range:to_extmark()
    typed = vim.api.nvim_get_current_line():sub(begin + 1, column)
  end
  if not vim.startswith(text, typed) then
    return nil -- it was for another text
  end
  local word = M.first_word(text:sub(#typed + 1))
  vim.api.nvim_buf_set_text(0, row - 1, column, row - 1, column, { word })
  vim.api.nvim_win_set_cursor(0, { row, column + #word })
  return nil -- done: nothing is left to Neovim
end

function M.accept_word()
  return M.available() and vim.lsp.inline_completion.get({ on_accept = insert_first_word })
end

local function is_shown()
  local namespace = vim.api.nvim_create_namespace("nvim.lsp.inline_completion")
  return #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

local function select(count)
  if not M.available() or not is_shown() then
    return false
  end
  vim.schedule(function() -- a mapped key must not change the text at once
    vim.lsp.inline_completion.select({ count = count })
  end)
  return true
end

function M.next()
  return select(1)
end

function M.previous()
  return select(-1)
end

return M
