# sources.mk - the CA connectors
# SPDX-License-Identifier: Apache-2.0
