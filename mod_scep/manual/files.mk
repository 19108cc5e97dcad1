# files.mk - the manual
# SPDX-License-Identifier: Apache-2.0
manualdir = $(docdir)/manual
dist_manual_DATA = %D%/directives.md %D%/errors.md %D%/admin-api.md \
	%D%/adcs.md %D%/approval.md %D%/audit.md %D%/cluster.md \
	%D%/dmz.md %D%/ejbca.md %D%/intune.md %D%/jamf.md %D%/ledger.md %D%/ndes.md \
	%D%/operations.md %D%/renewal.md %D%/security.md \
	%D%/static-secrets.md %D%/webhook.md
dist_man_MANS = %D%/scepctl.1
