;;; codelm.el --- codelm by eglot  -*- lexical-binding: t; -*-

;; For Emacs 29 or newer, where eglot is built in; in Emacs 28 it is a package.
;; Put this file on your `load-path', and into init.el:
;;
;;   (require 'codelm)
;;   (add-hook 'python-mode-hook #'eglot-ensure)
;;
;; Names are then completed by `completion-at-point' (C-M-i), and by company or corfu while you type.

;;; Code:

(require 'eglot)

(defgroup codelm nil
  "Completion for Python that is private and works offline."
  :group 'eglot)

(defcustom codelm-command '("codelm-lsp" "--stdio")
  "The command that starts the server."
  :type '(repeat string))

(defcustom codelm-settings nil
  "Settings of the server, as a plist: (:completion (:maxItems 10))."
  :type 'plist)

(add-to-list 'eglot-server-programs
             `((python-mode python-ts-mode)
               . ,(lambda (&rest _)
                    (append codelm-command (list :initializationOptions (or codelm-settings (make-hash-table)))))))

(defun codelm--execute (command &rest arguments)
  "Have the server do COMMAND with ARGUMENTS; return what it answers."
  (let ((server (or (eglot-current-server) (user-error "Codelm: no server runs here"))))
    (jsonrpc-request server :workspace/executeCommand
                     (list :command command :arguments (vconcat arguments)))))

(defun codelm-forget-file ()
  "Have codelm forget this file for good."
  (interactive)
  (codelm--execute "codelm.forget" "file"
                   (funcall (if (fboundp 'eglot-path-to-uri) 'eglot-path-to-uri 'eglot--path-to-uri)
                            (buffer-file-name))))

(defun codelm-forget-workspace ()
  "Have codelm forget this workspace for good."
  (interactive)
  (codelm--execute "codelm.forget" "workspace"))

(defun codelm-status ()
  "Say how codelm is."
  (interactive)
  (let* ((status (codelm--execute "codelm.status"))
         (model (plist-get status :model))
         (workspace (plist-get status :workspace)))
    (message "codelm %s: %s (%s), %s words of %s files"
             (plist-get status :version) (plist-get model :name) (plist-get model :state)
             (plist-get workspace :words) (plist-get workspace :files))))

(provide 'codelm)
;;; codelm.el ends here
