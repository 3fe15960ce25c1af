# SPDX-License-Identifier: Apache-2.0
"""Host tools and executable specification of the Custodes devices."""
